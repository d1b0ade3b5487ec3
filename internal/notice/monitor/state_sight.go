package monitor

import (
	"context"
	"net/netip"
	"sync"
)

// sight is the context of one look that notes which address answered. A look
// may leave a dial behind that ends after it, so writing is guarded.
type sight struct {
	context.Context
	mu   sync.Mutex
	addr netip.Addr
}

type sightKey struct{}

// Value finds the sight itself below whatever was put on top of it.
func (s *sight) Value(key any) any {
	if _, ok := key.(sightKey); ok {
		return s
	}
	return s.Context.Value(key)
}

func (s *sight) last() netip.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addr
}

// see notes the address that a look has connected to.
func see(ctx context.Context, a netip.Addr) {
	if s, ok := ctx.Value(sightKey{}).(*sight); ok {
		s.mu.Lock()
		s.addr = a
		s.mu.Unlock()
	}
}
