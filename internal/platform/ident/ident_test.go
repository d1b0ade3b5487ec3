package ident_test

import (
	"context"
	"errors"
	"regexp"
	"testing"
	"time"

	"tuermer/internal/platform/ident"
)

// Ids sort by time, and in the order of their making within a millisecond.
func TestNewID(t *testing.T) {
	form := regexp.MustCompile(`^[0-9a-hjkmnp-tv-z]{26}$`)
	now := time.Date(2026, 11, 22, 13, 2, 0, 0, time.UTC)
	before := ""
	for i := range 5000 {
		id := ident.NewID(now.Add(time.Duration(i/1000) * time.Millisecond))
		if !form.MatchString(id) || id <= before {
			t.Fatalf("%q after %q", id, before)
		}
		before = id
	}
}

func TestContext(t *testing.T) {
	ctx := context.Background()
	if _, err := ident.RequireTenant(ctx); !errors.Is(err, ident.ErrNoTenant) {
		t.Error(err)
	}
	ctx = ident.AcrossTenants(ident.WithTenant(ctx, "t1"))
	if !ident.IsAcrossTenants(ctx) || ident.IsAcrossTenants(ident.WithTenant(ctx, "t1")) {
		t.Error("going back to one tenant must end the view over all")
	}
	if ident.ActorOf(ctx).Kind != ident.KindPublic {
		t.Error("nobody in particular is the public")
	}
	limited := ident.Actor{Kind: ident.KindToken, Scopes: []string{}}
	if limited.Allows("alerts") || !(ident.Actor{}).Allows("alerts") || !ident.System.Has("admin") {
		t.Error("scopes or roles")
	}
}
