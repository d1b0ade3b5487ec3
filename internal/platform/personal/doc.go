// Package personal finds what the database holds about one person, and takes it
// away where nothing obliges the town to keep it.
//
// Finding needs no list: [Find] looks through every text column of every table
// that has a tenant for the person's id, addresses and number, and for the name
// where it stands alone, so that a table which somebody adds tomorrow is not
// forgotten. What else stands in a row, such as other people's addresses, is
// hidden, and so are keys and digests.
//
// Taking away needs one: each room says by [Rule]s what becomes of its rows, and
// [Erase] carries them out. Rows that prove what a town did in a crisis stay;
// their rule says why. A row without a rule stays as well and is told by name:
// doubt never deletes what might be a proof.
//
// It knows no room and no crisis.
package personal
