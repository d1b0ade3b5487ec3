// Package push sends a message to the browsers and telephones that a person has
// registered, by Web Push: the town needs no app, no account with the makers of
// telephones and no gateway's contract.
//
// The browser's maker runs the push service and sees neither title nor text: each
// message is encrypted to the device alone (RFC 8291 over RFC 8188, aes128gcm),
// with a key pair and a salt of its own. The town shows who it is by a signed
// token (VAPID, RFC 8292), which is made once for each push service and kept for
// half a day.
//
// A message goes to one person ([channel.Message.To] is their id) and from there
// to all of their devices at once. It is taken when one push service has taken it,
// which says nothing about the device; the proof is the receipt that the service
// worker (web/src/push.js) sends when it shows the message.
//
// Urgency is high for alarms, Topic is the alert, so that "taken over" replaces
// the alarm that was not fetched yet, and TTL ends when the message has lost its
// sense. What failures mean: 404 and 410 end the subscription, and the person is
// told; 429, 503, silence and a broken connection rest this push service, and no
// other; a message for somebody without any device left fails for good, so that
// the next way follows at once.
//
// The endpoint was entered by a browser, so it is foreign: only https, only where
// [Options].DialContext lets it, without redirects and proxies. The package stores
// nothing; devices are kept by room channel.
package push
