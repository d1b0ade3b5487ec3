package channel

import (
	"context"
	"strings"

	"tuermer/internal/platform/i18n"
)

// providerWords are the words by which providers say why a message or a call reached
// nobody, in lower case and with _ between them; the same as in the receipts that
// they are known by (packages gateway, smpp and voice).
var providerWords = map[string]string{
	"failed": "why_failed", "undelivered": "why_failed", "undeliverable": "why_failed", "undeliv": "why_failed", "notdelivered": "why_failed", "not_delivered": "why_failed",
	"delivery_failed": "why_failed", "error": "why_failed",
	"expired": "why_expired", "enroute": "why_expired",
	"rejectd": "why_refused", "deleted": "why_refused", "skipped": "why_refused", "refused": "why_refused",
	"no_answer": "reason_unanswered", "noanswer": "reason_unanswered",
	"completed": "why_hung_up", "hangup": "why_hung_up", "hung_up": "why_hung_up", "answered": "why_hung_up", "in_progress": "why_hung_up",
	"machine": "why_machine", "voicemail": "why_machine", "answering_machine": "why_machine",
	"cancelled": "reason_canceled",
}

// LostWords says why a message did not reach its reader. own is the provider's
// word for it, where the sentence stands for a word that is not ours: for whoever
// speaks with the provider, and for nobody else.
func LostWords(ctx context.Context, word string) (said, own string) {
	plain := strings.NewReplacer("-", "_", " ", "_").Replace(strings.ToLower(strings.TrimSpace(word)))
	if key := providerWords[plain]; key != "" {
		return i18n.T(ctx, "channel."+key), word
	}
	if key := "channel.reason_" + plain; plain != "" && i18n.T(ctx, key) != key {
		return i18n.T(ctx, key), ""
	}
	if plain == "" {
		return i18n.T(ctx, "channel.why_silent"), ""
	}
	return i18n.T(ctx, "channel.why_other"), word
}
