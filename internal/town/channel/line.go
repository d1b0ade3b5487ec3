package channel

import (
	"context"
	"strings"
)

// Line is the optional ability of an adapter to keep a line to its provider open,
// over which the provider also speaks. It sends without Start, too, but hears
// nothing then. Both may be called twice; Stop returns when nothing of it runs.
type Line interface {
	Adapter
	Start(ctx context.Context)
	Stop()
}

// maxReferences bounds the names of all parts of one message, in bytes.
const maxReferences = 2000

// References is a [Receipt].Reference that names all parts of a message. A report
// may name any of them: the message has arrived when all have, and is lost when
// one is. A name holds no space.
func References(parts []string) string {
	out := strings.Join(parts, " ")
	if len(out) <= maxReferences {
		return out
	}
	return out[:strings.LastIndexByte(out[:maxReferences+1], ' ')]
}
