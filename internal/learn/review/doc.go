// Package review looks back on an incident and forward to the next: its
// timeline and figures, what those who waited say about it, what is to become
// better, and the legal clocks that began to run.
//
//	incident ──► Figures   how fast noticed, told, mended; promises kept; who was reached
//	        ├──► Clock     a legal deadline: open ─► met | missed | void, always with a reason
//	        ├──► Answer    one anonymous answer to the survey, by audience
//	        └──► Improvement  open ─► done | dropped, with owner and due date
//
// A [Clock] starts at awareness and never moves later (I16). Which clocks there
// are is data: [Rule], by country, with the law, its source and the date at
// which it was read; counsel checks them. Deciding not to report is an act of
// its own, with the reason kept.
//
// The survey's link is one for everybody of an audience; an answer carries the
// day and no more, and what fewer than five people said is shown only together
// with the rest. The room sends reminders of clocks and nothing else; the report
// to the public is a statement, which publish sends.
//
// Tables: review_clock, review_answer, review_improvement.
package review
