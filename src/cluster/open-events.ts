import type { EventWriter, EventWriterOptions } from './api/event-writer.ts'
import type { Connection } from './open-source.ts'

/**
 * A writer of Events to where a connection's objects come from; undefined for manifests, which nobody could read them in.
 * @throws {ConfigError} the connection cannot be made sense of.
 */
export async function openEvents(
  connection: Connection,
  options: EventWriterOptions,
): Promise<EventWriter | undefined> {
  if (connection.manifests !== undefined) return undefined
  const { openEventWriter } = await import('./api/event-writer.ts')
  return openEventWriter(connection, options)
}
