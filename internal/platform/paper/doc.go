// Package paper makes what a town prints and puts into a drawer: a [Document] of
// sections, texts, check lists, tables and QR codes, as PDF ([PDF]) and as HTML
// ([View]).
//
// Both come from the same document, so that the page on the screen says what
// the sheet says. The PDF has its fonts inside, its language, title and
// bookmarks; tags for screen readers it has not, as the library knows none, and
// so the HTML is the accessible form. The same document always becomes the same
// bytes: the only time in the file is [Document.Stand].
//
// The fonts are Go Regular and Go Bold from golang.org/x/image, which come with
// the Go module under a BSD licence and know every letter of the Latin script.
package paper
