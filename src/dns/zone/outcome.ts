import type { ResourceRecord } from '../message.ts'

/** A question to a zone. */
export type ZoneQuestion = {
  /** In the letter case of the client, in the zone, ending in a dot. */
  readonly name: string
  /** The zone as the name spells it: its last characters. */
  readonly zone: string
  readonly type: string
}

/** What the zone says to a question. */
export type Outcome =
  | {
      readonly kind: 'answer'
      readonly answers: readonly ResourceRecord[]
      readonly additionals: readonly ResourceRecord[]
    }
  /** The name exists and has nothing of this type. */
  | { readonly kind: 'no-data' }
  /** There is no such name. */
  | { readonly kind: 'name-error' }
  /** Zone transfers are another plugin's work. */
  | { readonly kind: 'refused' }
  /** Names outside the zone decide: what `target` has of the type belongs behind `chain`. */
  | { readonly kind: 'alias'; readonly chain: readonly ResourceRecord[]; readonly target: string }
