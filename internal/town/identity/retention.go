package identity

import "tuermer/internal/platform/retain"

// How long what is no longer used is kept.
const (
	KeepTokens   = 365 * retain.Day  // after an API token was revoked
	KeepOpenings = 1096 * retain.Day // the network address of who opened a sealed access
	KeepSetup    = 90 * retain.Day   // addresses that proved the first start
)

// Retention says how long this room keeps what, and why what has no period stays.
func (r *Room) Retention() []retain.Rule {
	out := []retain.Rule{
		{Name: "identity.session", Table: "identity_session", Act: retain.Own, For: SessionIdle, Age: "seen_at", Always: true},
		{Name: "identity.link", Table: "identity_link", Act: retain.Own, For: SessionMax, Age: "expires_at", Always: true},
		{Name: "identity.answered", Table: "identity_answered", Act: retain.Own, For: retain.Day, Age: "expires_at", Always: true},
		{Name: "identity.token", Table: "identity_token", Act: retain.Delete, For: KeepTokens, Age: "revoked_at"},
		{Name: "identity.opening", Table: "identity_opening", Act: retain.Clear, For: KeepOpenings, Age: "ends_at", Where: "address <> ''", Set: []retain.Set{{Column: "address", To: "''"}}},
		{Name: "identity.setup", Table: "identity_setup_step", Act: retain.Clear, For: KeepSetup, Age: "proven_at", Where: "target <> '' OR asked_from <> ''", Set: []retain.Set{{Column: "target", To: "''"}, {Column: "asked_from", To: "''"}}},
	}
	out = append(out, retain.Kept("identity", retain.Account, "identity_person", "identity_totp", "identity_recovery", "identity_passkey", "identity_wish")...)
	out = append(out, retain.Kept("identity", retain.Settings, "identity_tenant", "identity_host", "identity_setup", "identity_roll")...)
	out = append(out, retain.Kept("identity", retain.Proof, "identity_seal")...)
	return out
}
