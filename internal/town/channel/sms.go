package channel

import (
	"math"
	"strconv"
	"strings"

	"tuermer/internal/platform/i18n"
)

// Encoding of a short message.
type Encoding string

// The encodings of 3GPP TS 23.038.
const (
	GSM7 Encoding = "gsm7"
	UCS2 Encoding = "ucs2"
)

// gsmBasic is the GSM 7-bit default alphabet (3GPP TS 23.038, 6.2.1), without
// the escape character; gsmExtended is its extension table (6.2.1.1), whose
// characters take two septets.
const (
	gsmBasic = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?" +
		"¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
	gsmExtended = "\f^{}\\[~]|€"
)

// Segments counts how a text travels as SMS: its encoding, its length in
// septets or UCS-2 units, and the number of parts. A part of a longer message
// holds 153 septets or 67 units, since six octets tell the parts apart; neither
// an escape pair nor a surrogate pair is torn.
func Segments(text string) (enc Encoding, length, parts int) {
	widths := make([]int, 0, len(text))
	enc = GSM7
	for _, r := range text {
		w := GSM7.width(r)
		if w == 0 {
			enc = UCS2
		}
		widths = append(widths, w)
	}
	single, multi := 160, 153
	if enc == UCS2 {
		single, multi = 70, 67
		widths = widths[:0]
		for _, r := range text {
			widths = append(widths, UCS2.width(r))
		}
	}
	for _, w := range widths {
		length += w
	}
	if length == 0 {
		return enc, 0, 0
	}
	if length <= single {
		return enc, length, 1
	}
	parts = 1
	room := multi
	for _, w := range widths {
		if w > room {
			parts++
			room = multi
		}
		room -= w
	}
	return enc, length, parts
}

// plainSMS replaces typographic characters that would more than halve an SMS by
// the ones that every telephone has.
var plainSMS = strings.NewReplacer(
	"–", "-", "—", "-", "‑", "-", "„", "\"", "“", "\"", "”", "\"", "‚", "'", "‘", "'", "’", "'",
	"…", "...", "\u00a0", " ", "\u202f", " ", "·", "-", "•", "-",
)

// PlainSMS is a text with the signs that every telephone has, where that loses
// no meaning.
func PlainSMS(text string) string { return plainSMS.Replace(text) }

// Quote is what one text to several numbers will take and cost, told before it
// goes out.
type Quote struct {
	Encoding Encoding
	Parts    int // of one message
	Messages int
	Route    string // the way that would be asked first; empty: there is none
	// Known: the price stands in the way's entry. Cost is for all messages, in
	// Currency.
	Known    bool
	Cost     float64
	Currency string
}

// Money is the cost in words: "0,08 EUR".
func (q Quote) Money(l i18n.Locale) string {
	amount := strings.TrimSuffix(strconv.FormatFloat(q.Cost, 'f', 3, 64), "0")
	if l.Lang == i18n.DE {
		amount = strings.Replace(amount, ".", ",", 1)
	}
	return amount + " " + q.Currency
}

// Price is what one part of a short message, or one call, costs over a way.
type Price struct {
	Each     float64 // zero: not known
	Currency string
}

// Priced is the optional ability of an adapter to know what it costs.
type Priced interface{ Price() Price }

// quote is the pure part of [Room.Quote].
func quote(kind Kind, text string, n int, p Price) Quote {
	enc, _, parts := Segments(PlainSMS(text))
	if kind == Voice {
		enc, parts = "", 1 // a call is one, however long its text
	}
	q := Quote{Encoding: enc, Parts: parts, Messages: n, Currency: p.Currency, Known: p.Each > 0}
	q.Cost = math.Round(p.Each*float64(parts*n)*10000) / 10000
	return q
}
