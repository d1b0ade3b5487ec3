package template

import "tuermer/internal/town/channel"

// Encoding of a short message.
type Encoding = channel.Encoding

// The encodings of 3GPP TS 23.038.
const (
	GSM7 = channel.GSM7
	UCS2 = channel.UCS2
)

// Segments counts how a text travels as SMS, see [channel.Segments].
func Segments(text string) (enc Encoding, length, parts int) { return channel.Segments(text) }
