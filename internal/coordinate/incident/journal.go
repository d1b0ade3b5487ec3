package incident

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"time"

	"tuermer/internal/platform/ident"
)

// EntryKind is what an entry of the journal is about.
type EntryKind string

// The kinds that this room writes; other rooms bring their own words, as
// "statement".
const (
	EntryNote   EntryKind = "note"   // by a person
	EntryOpened EntryKind = "opened" // the incident itself
	EntryPhase  EntryKind = "phase"
	EntryLevel  EntryKind = "level"
	EntryChange EntryKind = "change" // title, services, privacy
	EntryFact   EntryKind = "fact"
	EntryAlert  EntryKind = "alert" // an alert joined, was taken, ended
	EntryMerge  EntryKind = "merge"
	// EntryCommitment: something was promised, put off, kept or not.
	EntryCommitment EntryKind = "commitment"
)

// Entry / Eintrag stands in the journal for ever.
type Entry struct {
	Seq   int64 // 1, 2, 3 … per incident, without gaps
	At    time.Time
	Actor ident.Actor // kind, person and name; roles are not kept
	Kind  EntryKind
	Text  string
	Ref   string // id of what it is about: fact, alert, statement
	Hash  string // SHA-256 in hex over the entry and the hash before it
}

// sealed is the entry's hash when prev stands before it. Every part is written
// with its length, so that no two different entries read the same; the incident
// is in it, so that no entry fits into another journal.
func (e Entry) sealed(tenant ident.Tenant, id ID, prev string) string {
	h := sha256.New()
	num := func(n int64) {
		var b [8]byte
		binary.BigEndian.PutUint64(b[:], uint64(n))
		h.Write(b[:])
	}
	for _, s := range []string{"tuermer/journal/1", string(tenant), string(id), prev} {
		num(int64(len(s)))
		h.Write([]byte(s))
	}
	num(e.Seq)
	num(e.At.UnixMilli())
	for _, s := range []string{string(e.Actor.Kind), e.Actor.Person, e.Actor.Name, string(e.Kind), e.Text, e.Ref} {
		num(int64(len(s)))
		h.Write([]byte(s))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Broken says where a journal does not hold (I14).
type Broken struct {
	Incident ID
	Seq      int64  // the first entry that does not fit
	Reason   string // "changed", "missing" or "head"
}

func (b *Broken) Error() string {
	return fmt.Sprintf("incident: journal of %s broken at entry %d: %s", b.Incident, b.Seq, b.Reason)
}

// head is the end of a journal as the incident remembers it.
type head struct {
	Seq  int64
	Hash string
}

// verify checks a whole journal against its head.
func verify(tenant ident.Tenant, id ID, entries []Entry, end head) error {
	at := head{}
	for _, e := range entries {
		switch {
		case e.Seq != at.Seq+1:
			return &Broken{id, at.Seq + 1, "missing"}
		case e.Hash != e.sealed(tenant, id, at.Hash):
			return &Broken{id, e.Seq, "changed"}
		}
		at = head{e.Seq, e.Hash}
	}
	if at != end {
		return &Broken{id, min(at.Seq, end.Seq) + 1, "head"}
	}
	return nil
}
