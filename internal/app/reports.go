package app

import (
	"context"

	"tuermer/internal/town/channel"
)

// callback tells where the provider reports to: the public address where other
// systems may report there, else the console's.
func (a *App) callback(kind channel.Kind, name string) func(ctx context.Context) (receipt, reply string) {
	return func(ctx context.Context) (string, string) {
		t, err := a.identity.Current(ctx)
		if err != nil {
			return "", "" // it goes out without a receipt rather than not at all
		}
		receipt, reply := a.channel.CallbackPaths(ctx, kind, name)
		base := t.StaffURL
		if t.PublicURL != "" && a.intakePublic(ctx) {
			base = t.PublicURL
		}
		if receipt == "" || base == "" {
			return "", ""
		}
		return base + receipt, base + reply
	}
}
