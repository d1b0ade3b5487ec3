// A message centre made of the npm package smpp, for the Go test beside our own
// client: two programs that share no line read the same protocol.
//
// It tells what it gets as JSON, one object a line, and does what it reads, one
// object a line: {"throttle": 2}, {"receipt": "id", "stat": "DELIVRD", "tlv": true},
// {"answer": "+49…", "text": "ja"}, {"enquire": true}, {"drop": true}.
// With KEY and CERT in the environment it speaks TLS.
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import smpp from 'smpp'

const say = (what) => process.stdout.write(JSON.stringify(what) + '\n')
const secure = process.env.KEY ? { key: readFileSync(process.env.KEY), cert: readFileSync(process.env.CERT) } : {}
let session
let throttle = 0
let count = 0
const sent = new Map()

const server = smpp.createServer(secure, (s) => {
  s.on('error', (e) => say({ error: String(e.code ?? e) }))
  s.on('close', () => say({ closed: true }))
  s.on('bind_transceiver', (p) => {
    if (p.password !== 'geheim') {
      s.send(p.response({ command_status: smpp.ESME_RINVPASWD }))
      return
    }
    session = s
    s.send(p.response({ system_id: 'centre' }))
    say({ bound: p.system_id, type: p.system_type, version: p.interface_version })
  })
  s.on('enquire_link', (p) => { s.send(p.response()); say({ enquired: true }) })
  s.on('unbind', (p) => { s.send(p.response(), null, () => s.close()); say({ unbound: true }) })
  s.on('submit_sm', (p) => {
    if (throttle > 0) {
      throttle--
      s.send(p.response({ command_status: smpp.ESME_RTHROTTLED }))
      return
    }
    const id = 'npm-' + ++count
    sent.set(id, p)
    s.send(p.response({ message_id: id }))
    const header = p.short_message.udh
    say({
      id, to: p.destination_addr, ton: p.dest_addr_ton, from: p.source_addr, fromTON: p.source_addr_ton, text: p.short_message.message,
      header: header ? header.map((h) => h.toString('hex')).join('') : '', coding: p.data_coding, priority: p.priority_flag,
      registered: p.registered_delivery, validity: p.validity_period, sar: p.sar_total_segments ? [p.sar_msg_ref_num, p.sar_total_segments, p.sar_segment_seqnum] : null
    })
  })
})
server.listen(0, '127.0.0.1', () => say({ port: server.address().port }))

createInterface({ input: process.stdin }).on('line', (line) => {
  const c = JSON.parse(line)
  if (c.throttle) throttle = c.throttle
  if (c.drop) session.destroy()
  if (c.enquire) session.enquire_link({}, (p) => say({ alive: p.command_status }))
  if (c.receipt) {
    const p = sent.get(c.receipt)
    const pdu = { source_addr: p.destination_addr, source_addr_ton: 1, source_addr_npi: 1, destination_addr: p.source_addr, esm_class: 4 }
    if (c.tlv) Object.assign(pdu, { receipted_message_id: c.receipt, message_state: c.stat === 'DELIVRD' ? 2 : 5, short_message: '' })
    else pdu.short_message = `id:${c.receipt} sub:001 dlvrd:001 submit date:2611261400 done date:2611261401 stat:${c.stat} err:011 text:ALARM`
    session.deliver_sm(pdu, (r) => say({ taken: c.receipt, status: r.command_status }))
  }
  if (c.answer) session.deliver_sm({ source_addr: c.answer.slice(1), source_addr_ton: 1, source_addr_npi: 1, data_coding: 0, short_message: c.text }, (r) => say({ taken: c.text, status: r.command_status }))
}).on('close', () => process.exit(0))
