import * as models from '@kubernetes/client-node'

/*
 * The API's types as the client library has them: each model says which fields it has, and of which type they are. Read
 * strictly, as the API server does with fieldValidation=Strict.
 */

type Attribute = { readonly baseName: string; readonly type: string }
type Model = { getAttributeTypeMap(): readonly Attribute[] }

const isModel = (value: unknown): value is Model =>
  typeof value === 'function' && 'getAttributeTypeMap' in value

const known: Readonly<Record<string, unknown>> = models

/** What is wrong with a value of that type, each with its path; empty when nothing is. */
export function typeProblems(value: unknown, type: string, path: string): readonly string[] {
  const list = /^Array<(.*)>$/.exec(type)?.[1]
  if (list !== undefined) {
    if (!Array.isArray(value)) return [`${path}: must be a list`]
    return value.flatMap((item, index) => typeProblems(item, list, `${path}[${index}]`))
  }
  const mapped = /^\{ \[key: string\]: (.*); \}$/.exec(type)?.[1]
  const model = known[type]
  if (mapped === undefined && !isModel(model)) return scalarProblems(value, type, path)
  if (!isObject(value)) return [`${path}: must be an object`]
  const types = isModel(model)
    ? new Map(model.getAttributeTypeMap().map(({ baseName, type }) => [baseName, type]))
    : undefined
  return Object.entries(value).flatMap(([key, field]) => {
    const fieldType = types === undefined ? mapped : types.get(key)
    const place = `${path}.${key}`
    return fieldType === undefined
      ? [`${place}: ${type} has no such field`]
      : typeProblems(field, fieldType, place)
  })
}

function scalarProblems(value: unknown, type: string, path: string): readonly string[] {
  const isRight =
    type === 'IntOrString'
      ? typeof value === 'string' || Number.isSafeInteger(value)
      : typeof value === type
  return isRight ? [] : [`${path}: must be of type ${type}`]
}

const isObject = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
