package app

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/town/audit"
)

// ChainHead is the end of a town's audit log at one moment, for keeping where
// nobody who can write the database can write too.
type ChainHead struct {
	Town string    `json:"town"`
	Seq  int64     `json:"entry"`
	Hash string    `json:"sha256"`
	At   time.Time `json:"at"`
}

// errChain ends `tuermer audit verify` when a chain does not hold.
var errChain = fault.New(fault.Conflict, "app.audit_failed")

// VerifyAudit walks the hash chain of every town from the first entry to the
// last, and names the first that does not fit. heads is a file of chain heads
// that were kept elsewhere, or empty: a log that was rewritten as a whole holds
// by itself, but not against them.
func (Commands) VerifyAudit(ctx context.Context, s Settings, heads string) error {
	kept, err := readHeads(heads)
	if err != nil {
		return explained{err}
	}
	return acrossTowns(ctx, s, func(ctx context.Context, a *App) error {
		towns, err := a.identity.Tenants(ctx)
		if err != nil {
			return err
		}
		broken := false
		say := func(key string, args ...any) { fmt.Fprintln(s.Stdout, a.catalog.Text(s.Lang, key, args...)) }
		for _, t := range towns {
			if s.Town != "" && s.Town != t.Slug {
				continue
			}
			ctx := ident.WithTenant(ctx, t.ID)
			err := a.audit.Verify(ctx)
			if b, is := errors.AsType[*audit.Broken](err); is {
				broken = true
				say("app.audit_broken", t.Slug, b.Seq, a.catalog.Text(s.Lang, "audit.reason_"+b.Reason))
				continue
			}
			if err != nil {
				return err
			}
			fits := true
			for _, k := range kept {
				if k.Town != t.Slug {
					continue
				}
				hash, err := a.audit.HashAt(ctx, k.Seq)
				if err != nil {
					return err
				}
				if hash != k.Hash {
					fits, broken = false, true
					say("app.audit_other_head", t.Slug, k.Seq)
					break
				}
			}
			if !fits {
				continue
			}
			seq, hash, err := a.audit.Head(ctx)
			if err != nil {
				return err
			}
			say("app.audit_holds", t.Slug, seq, hash)
		}
		if broken {
			return errChain
		}
		return nil
	})
}

// AuditHeads prints the head of every town's chain, one JSON value a line.
func (Commands) AuditHeads(ctx context.Context, s Settings) error {
	return acrossTowns(ctx, s, func(ctx context.Context, a *App) error {
		towns, err := a.identity.Tenants(ctx)
		if err != nil {
			return err
		}
		out := json.NewEncoder(s.Stdout)
		for _, t := range towns {
			seq, hash, err := a.audit.Head(ident.WithTenant(ctx, t.ID))
			if err != nil {
				return err
			}
			if err := out.Encode(ChainHead{t.Slug, seq, hash, a.o.Clock.Now()}); err != nil {
				return err
			}
		}
		return nil
	})
}

// maxHeads bounds a file of heads: one a day for a hundred towns and years.
const maxHeads = 64 << 20

func readHeads(path string) (out []ChainHead, err error) {
	if path == "" {
		return nil, nil
	}
	raw, err := readBounded(path, maxHeads)
	if err != nil {
		return nil, err
	}
	for lines := bufio.NewScanner(bytes.NewReader(raw)); lines.Scan(); {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		var h ChainHead
		if err := json.Unmarshal(lines.Bytes(), &h); err != nil || h.Hash == "" {
			return nil, fault.New(fault.Invalid, "app.audit_no_head", path).With(err)
		}
		out = append(out, h)
	}
	if len(out) == 0 {
		return nil, fault.New(fault.Invalid, "app.audit_no_head", path)
	}
	return out, nil
}
