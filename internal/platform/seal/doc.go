// Package seal hides what names a way to a person before it is stored: mail
// addresses, telephone numbers, and longer texts in which they stand.
//
// A [Box] holds one key. For every place, which is a table and a column
// ("identity_person.email"), it derives keys of its own, so that what was stored
// in one column opens in no other. The same word in the same place always seals
// to the same text: the nonce is a keyed digest of the word (as in RFC 5297), so
// the database can compare, index and refuse a second one without knowing it.
// That two rows hold the same word can be seen, and how long it is; nothing else.
//
// What is sealed begins with [Mark]; the empty word stays empty. Text without
// the mark was stored before sealing began and is read as it is, so that an
// install can be sealed row by row and a crash in between harms nothing.
//
// The store seals and opens by itself, see [tuermer/internal/platform/store.Migrations].
package seal
