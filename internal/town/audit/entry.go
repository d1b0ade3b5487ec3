package audit

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"time"

	"tuermer/internal/platform/ident"
)

// Entry is one act to be remembered.
type Entry struct {
	Action  string // room, noun and verb in the past: "identity.person.saved"
	Subject string // id or slug of what was acted upon
	Detail  map[string]string
}

// Line is an entry as it stands in the log.
type Line struct {
	Entry
	Seq   int64 // 1, 2, 3 … per tenant, without gaps
	At    time.Time
	Actor ident.Actor // kind, person and name; roles are not kept
	Hash  string      // SHA-256 in hex over the line and the hash before it
}

// chained is the hash of the line when prev stands before it. Every part is
// written with its length, so that no two different lines read the same.
func (l Line) chained(tenant ident.Tenant, prev string) string {
	h := sha256.New()
	num := func(n int64) {
		var b [8]byte
		binary.BigEndian.PutUint64(b[:], uint64(n))
		h.Write(b[:])
	}
	str := func(s string) {
		num(int64(len(s)))
		h.Write([]byte(s))
	}
	str("tuermer/audit/1")
	str(prev)
	str(string(tenant))
	num(l.Seq)
	num(l.At.UnixMilli())
	str(string(l.Actor.Kind))
	str(l.Actor.Person)
	str(l.Actor.Name)
	str(l.Action)
	str(l.Subject)
	num(int64(len(l.Detail)))
	for _, k := range slices.Sorted(maps.Keys(l.Detail)) {
		str(k)
		str(l.Detail[k])
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Broken says where a chain does not hold (I14).
type Broken struct {
	Seq    int64  // the first line that does not fit
	Reason string // changed, missing, head
}

// The reasons of [Broken].
const (
	ReasonChanged = "changed" // content or order does not match the hash
	ReasonMissing = "missing" // a line between two others is gone
	ReasonHead    = "head"    // the end was cut off or lengthened
)

func (b *Broken) Error() string {
	return fmt.Sprintf("audit: chain broken at line %d: %s", b.Seq, b.Reason)
}

// link is the state of a walk along the chain.
type link struct {
	tenant ident.Tenant
	seq    int64
	hash   string
}

// follow checks that l comes next.
func (k *link) follow(l Line) error {
	if l.Seq != k.seq+1 {
		return &Broken{k.seq + 1, ReasonMissing}
	}
	if l.Hash != l.chained(k.tenant, k.hash) {
		return &Broken{l.Seq, ReasonChanged}
	}
	k.seq, k.hash = l.Seq, l.Hash
	return nil
}
