package sonde

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"net/http"
	"time"
)

// Door is what a test says to the server as a sonde would, and how it is signed.
type Door struct {
	Key  ed25519.PrivateKey
	Act  string
	At   time.Time
	Body []byte
}

// Request signs it.
func (d Door) Request(r *http.Request) { sign(r.Header, d.Key, act(d.Act), d.At, d.Body) }

// Path is where it goes.
func (d Door) Path() string { return act(d.Act).path() }

// Said is the server's answer.
type Said struct {
	Status  int
	Refused string   `json:"refused"`
	Name    string   `json:"name"`
	ETag    string   `json:"etag"`
	Look    []string `json:"look"`
	Time    int64    `json:"time"`
	Slugs   []string `json:"-"`
	Raw     []byte   `json:"-"`
}

// ReadSaid reads an answer.
func ReadSaid(status int, raw []byte) (Said, error) {
	var a answer
	if err := json.Unmarshal(raw, &a); err != nil {
		return Said{}, err
	}
	s := Said{Status: status, Refused: string(a.Refused), Name: a.Name, ETag: a.ETag, Look: a.Look, Time: a.Time, Raw: raw}
	for _, m := range a.Monitors {
		s.Slugs = append(s.Slugs, m.Slug)
	}
	return s, nil
}

// Joining is the body of a join.
func Joining(token string, pub ed25519.PublicKey) []byte {
	b, _ := json.Marshal(joining{Token: token, Key: pub, Version: "test"})
	return b
}

// Watching is the body of a watch.
func Watching(sent time.Time, etag string) []byte {
	b, _ := json.Marshal(watching{Sent: sent.UnixMilli(), ETag: etag, Version: "test"})
	return b
}

// MaxBody is the most that a request may carry.
const MaxBody = maxBody

// Sweep looks for silence now.
func (r *Room) Sweep(ctx context.Context) error {
	_, err := r.sweep(ctx, r.o.Clock.Now())
	return err
}

func clockOf(p Report) time.Time { return time.UnixMilli(p.At) }
