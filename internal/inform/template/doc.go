// Package template holds the prepared texts: what the town says in each phase,
// to each audience, in each form and language, written before the crisis.
//
// A text is plain words with slots in braces. It is filled from facts:
//
//	Seit {Seit}           a fact, shown the way its slot's type asks for
//	{um NaechsteMeldung}  a time with its preposition: "um 14:30 Uhr",
//	                      "am 23. November um 07:30 Uhr"
//	{Dienst}              the service's bare name, for labels
//	{Dienst_nom}          with article: "das Bürgerportal"; also _dat, _akk
//	{von Dienst}          preposition and case at once: "vom Bürgerportal"
//	{ist|sind}            the verb in the number of the service
//	[[ … {Ursache} … ]]   left out when one of its facts is said to be unknown
//	[[ … || … ]]          with what stands there instead
//	[[?Entschuldigung …]] left out when that switch is off
//
// The first letter is made large where a slot begins a sentence, "Uhr" is never
// said twice, and a text is refused ([MissingError]) until each of its facts is
// filled in or said to be unknown. Nobody has to know a programming language to
// write one.
//
// The shipped texts are the YAML files in grid/, embedded and parsed by
// [Default] into a [Library]. Library, rendering ([Render]) and the language
// check ([Assess]) are pure: they read no clock and no database, so the same
// facts always give the same words.
//
// A [Room] keeps what belongs to a town:
//
//	Version    template_text       its own words for a place of the grid
//	Signature  template_signature  who has read a text in Leichter Sprache
//	rehearsal  template_rehearsal  when a text was last gone through
//
// [Room.Library] lays the approved ones over the shipped texts. A draft is in
// use only when a second person has approved it; every new wording needs that
// again, and Leichte Sprache stays marked as unchecked until a group of readers
// has signed the very words. Texts travel between towns in the file that
// exchange.go describes. The room never sends anything, and a text that was
// published is not its business any more.
package template
