// Calls one of the vendors' SDKs as it is told, a line of JSON each way, until there are no more lines.
//
// The first line says which SDK, and with what options. Then: {"call": "a.b", "with": [...]} awaits a method;
// "pages": true follows its auto-pager to the end and answers all items, or as many as "pages" says; "array" has the
// pager make an array of at most so many; "times" calls so often at once and answers what became of each. "options"
// are those of the client for this call alone, with Dodo's SDK. Told with each answer is what was "sent": method and
// address of each request.

import { createInterface } from 'node:readline'
import DodoPayments from 'dodopayments'
import Stripe from 'stripe'

let sent = []

function noted(url, init) {
  sent.push([init.method.toUpperCase(), String(url)])
  return fetch(url, init)
}

const makers = {
  dodopayments: (options) => new DodoPayments({ ...options, fetch: noted }),
  stripe: ({ key, ...options }) => {
    const made = new Stripe(key, options)
    made.on('request', ({ method, path }) => sent.push([method, path]))
    return made
  },
}

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const { sdk, options } = JSON.parse((await lines.next()).value)
const client = makers[sdk](options)

function find(path, options) {
  const names = path.split('.')
  const last = names.pop()
  const first = options ? client.withOptions(options) : client
  const owner = names.reduce((found, name) => found[name], first)
  return (...given) => owner[last](...given)
}

async function follow(pager, most) {
  const items = []
  for await (const item of pager) {
    items.push(item)
    if (items.length === most) break
  }
  return items
}

function told(error) {
  const { name, message, status, statusCode, code, type, param, requestId } = error
  const body = error.error ?? error.raw
  return { name: error.constructor.name ?? name, message, status: status ?? statusCode, code, type, param, requestId, body }
}

async function answered(asked) {
  try {
    const made = find(asked.call, asked.options)(...(asked.with ?? []))
    if (asked.array) return { result: await made.autoPagingToArray({ limit: asked.array }) }
    const most = asked.pages === true ? Infinity : asked.pages
    return { result: (most ? await follow(made, most) : await made) ?? null }
  } catch (error) {
    return { error: told(error) }
  }
}

for await (const line of lines) {
  const asked = JSON.parse(line)
  sent = []
  const each = await Promise.all(Array.from({ length: asked.times ?? 1 }, () => answered(asked)))
  const answer = asked.times ? { result: each } : each[0]
  process.stdout.write(JSON.stringify({ ...answer, sent }) + '\n')
}

process.exit() // whatever connections are still open
