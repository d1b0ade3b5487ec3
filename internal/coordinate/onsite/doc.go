// Package onsite takes what people see on the spot (Meldung vor Ort), with a photo
// and a position, into the journal of an incident, and notes that somebody showed
// an identity document (Ausweisprüfung) without keeping a copy of it.
//
// It takes the place of the slip of paper that somebody copies in the evening, and
// of the scan of an identity card that lies in a folder for years.
//
// Nouns and their tables
//
//	Report   onsite_report    what was seen, where, by whom; never changes
//	         onsite_photo     its photo, sealed; made anew without what the camera adds
//	Check    onsite_identity  that a document was shown, what for and with what result
//	         onsite_fleeting  name, document and copy, sealed; gone within a day
//	Copies   onsite_copies    whether the town allows copies at all; by default not
//
// A [Report] is one entry of the journal (Einsatztagebuch), which carries the
// SHA-256 of the photo: the photo can be taken away later, but not exchanged.
// The position is what was typed, what the phone's button put into the field, or
// what the photo says; where nothing can be read, the words stay as they are.
//
// A [Check] lives at most [MaxHold]. Then name, document and copy are deleted by
// this room's sweep, whatever hold is set on other data; what stays is that
// somebody checked, when, for which [Purpose] and with what result. Nothing that
// is due is shown, even where the sweep has not come by yet. The table with the
// names is in no backup (its name ends in "_fleeting").
//
// A copy is refused until an administrator allows copies with a reason; it then
// needs the person's consent (§ 20 PAuswG), and is marked as a copy over the whole
// picture before it is stored.
//
// The room publishes nothing and alarms nobody.
package onsite
