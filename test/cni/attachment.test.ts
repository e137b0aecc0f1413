import t from 'tap'
import {
  type Attachment,
  attachmentComment,
  attachmentHash,
  attachmentMark,
  isMarkedBy,
  networkMark,
} from '#cni/attachment.ts'

const attachment: Attachment = { network: 'net', containerId: 'abc', ifname: 'eth0' }

t.test('the hash of an attachment is stable: it is found again after an upgrade', async t => {
  // The first 128 bits of sha256("net\0abc\0eth0").
  t.equal(attachmentHash(attachment), 'b72bfe70b7a5c99e6e292c5dd4a53a3d')
})

t.test('a comment begins with the marks of the network and the attachment', async t => {
  const mark = attachmentMark(attachment)
  t.ok(mark.startsWith(networkMark('net')))
  t.equal(attachmentComment(attachment), `${mark} net abc eth0`)
  t.ok(isMarkedBy(attachmentComment(attachment), mark))
  t.notOk(isMarkedBy(`${mark}0 net abc eth0`, mark))
})

t.test('no interface name can end the comment, and no container id make it too long', async t => {
  t.match(attachmentComment({ ...attachment, ifname: 'a"}{;' }), /^[0-9a-f-]+ net abc a____$/)
  t.equal(attachmentComment({ ...attachment, containerId: 'c'.repeat(300) }).length, 127)
})
