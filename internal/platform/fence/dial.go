package fence

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
)

// Dialer opens connections to where a list allows them, for protocols that take
// a dialer, such as HTTP.
type Dialer struct {
	// Of is the list that holds the connections of ctx. Its error opens nothing.
	Of       func(ctx context.Context) (List, error)
	Resolver *net.Resolver // nil: the machine's; unused with Dial
	// Dial is an injected network; nil: this machine's. Behind it the other side's
	// address is judged once it is known, and before the first byte.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
}

// DialContext connects, or answers an error that [Refused] knows.
func (d Dialer) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	l, err := d.Of(ctx)
	if err != nil {
		return nil, fmt.Errorf("fence: where connections may go: %w", err)
	}
	if d.Dial == nil {
		// Asked for every address that the name leads to, before the first packet;
		// the connection goes to exactly this address.
		n := net.Dialer{Resolver: d.Resolver, ControlContext: func(_ context.Context, _, resolved string, _ syscall.RawConn) error {
			to, err := netip.ParseAddrPort(resolved)
			if err != nil {
				return fmt.Errorf("%w: %s", ErrOutside, resolved)
			}
			return l.Allows(to.Addr())
		}}
		return n.DialContext(ctx, network, addr)
	}
	if to, err := netip.ParseAddrPort(addr); err == nil {
		if err := l.Allows(to.Addr()); err != nil {
			return nil, err
		}
	}
	c, err := d.Dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	var to netip.AddrPort // not valid: the network keeps it to itself
	switch a := c.RemoteAddr().(type) {
	case *net.TCPAddr:
		to = a.AddrPort()
	case *net.UDPAddr:
		to = a.AddrPort()
	}
	if err := l.Allows(to.Addr()); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// Refused tells whether err says that a list did not allow a connection.
func Refused(err error) bool { return errors.Is(err, ErrOutside) || errors.Is(err, ErrMetadata) }
