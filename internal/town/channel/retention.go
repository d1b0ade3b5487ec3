package channel

import "tuermer/internal/platform/retain"

// KeepOutbox is how long a message is kept after it was handed on or given up. By
// then nobody asks any more whether a mail left the house; that it was sent stands
// with the alarm and in the ledger.
const KeepOutbox = 90 * retain.Day

// Retention says how long this room keeps what, and why what has no period stays.
func (r *Room) Retention() []retain.Rule {
	out := []retain.Rule{
		{Name: "channel.outbox", Table: "channel_outbox", Act: retain.Delete, For: KeepOutbox, Age: "settled_at", Where: "state IN ('accepted', 'failed')"},
		{Name: "channel.answer", Table: "channel_answer", Act: retain.Delete, For: keepEarly, Age: "at"},
		{Name: "channel.early", Table: "channel_early", Act: retain.Delete, For: keepEarly, Age: "at"},
		{Name: "channel.device", Table: "channel_device", Act: retain.Delete, For: KeepOutbox, Age: "lost_at"},
		{Name: "channel.simulated", Table: "channel_simulated", Act: retain.Delete, For: KeepOutbox, Age: "at"},
	}
	out = append(out, retain.Kept("channel", retain.Settings, "channel_relay", "channel_hook")...)
	return out
}
