// Package plan is what the town decided before the crisis: its audiences
// ([Audience]) with who looks after each and what they need ([Profile]), and the
// [Document] around them: contacts, scenario matrix, words for the first hour,
// questions and check lists. Together they are the communication plan, and the
// ten tools of the first-aid kit ([Tools]).
//
// Every change makes a [Version] that can be compared and restored. [Assess]
// says what is missing and where to mend it. A [SignOff] says that somebody of the
// leadership signed one version; a later change shows it as outdated. The room
// also keeps when a way out was last tested ([Test]) and the secret links to
// pages for the town's own displays ([Link]).
//
// Its pages are /plan (audiences) and /kit/part, /kit/contacts, /kit/versions,
// /kit/signoff (the document); pages that need other rooms, as /kit itself and
// the printed folder, stand in desk. The room stores no statement and sends
// nothing.
package plan
