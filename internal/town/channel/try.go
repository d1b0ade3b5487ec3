package channel

import "context"

// Try sends one message over exactly this route, now, past the outbox and past
// the choice of routes, and says what the other side answered. It is how a
// person finds out whether a way works; what must arrive goes through [Room.Send].
func (r *Room) Try(ctx context.Context, route string, m Message) (Receipt, error) {
	for _, a := range r.adapters(ctx, m.Realm, m.Kind) {
		if a.Route() != route {
			continue
		}
		ctx, cancel := context.WithTimeout(ctx, sendTimeout)
		defer cancel()
		rc, err := a.Send(ctx, m)
		if err == nil {
			r.routes.ok(a)
			rc.Route = route
		}
		return rc, err
	}
	return Receipt{}, errNoRoute
}
