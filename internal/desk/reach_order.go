package desk

import (
	"cmp"
	"context"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/web"
	"tuermer/internal/raise/chain"
	"tuermer/internal/town/channel"
	"tuermer/internal/town/identity"
)

// named is the way as chains and a person's order name it. A kind that is added
// later names itself.
func (w reachWay) named() string {
	if w.Kind == string(channel.Mail) && !w.Own {
		return string(chain.Alternative)
	}
	return w.Kind
}

// inOrder puts the ways as an alarm tries them: those that the person has ordered,
// then the others as usual.
func inOrder(ways []reachWay, own []string) {
	place := func(w reachWay) int {
		if i := slices.Index(own, w.named()); i >= 0 {
			return i
		}
		if i := slices.Index(chain.Ways(), chain.Way(w.named())); i >= 0 {
			return len(own) + i
		}
		return len(own) + len(chain.Ways())
	}
	slices.SortStableFunc(ways, func(a, b reachWay) int { return cmp.Compare(place(a), place(b)) })
}

// moved is the order after one way has changed places with its neighbour: all that
// are shown, then what was ordered before and leads nowhere just now.
func moved(ways []reachWay, own []string, word string, by int) ([]string, bool) {
	var out []string
	for _, w := range ways {
		if !slices.Contains(out, w.named()) {
			out = append(out, w.named())
		}
	}
	i := slices.Index(out, word)
	if i < 0 || i+by < 0 || i+by >= len(out) {
		return own, false
	}
	out[i], out[i+by] = out[i+by], out[i]
	for _, w := range own {
		if !slices.Contains(out, w) {
			out = append(out, w)
		}
	}
	return out, true
}

// postReachOrder moves one way up or down, or goes back to the usual order.
func (d *Desk) postReachOrder(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	f, err := web.ReadForm(r)
	if err != nil {
		return err
	}
	if f.Get("move") == "reset" {
		if err := d.o.Identity.OrderWays(ctx, nil); err != nil {
			return err
		}
		return web.SeeOther(w, r, reachPath)
	}
	v, err := d.reach(ctx)
	if err != nil {
		return err
	}
	by, ok := map[string]int{"up": -1, "down": 1}[f.Get("move")]
	i := slices.IndexFunc(v.Ways, func(w reachWay) bool { return w.named() == f.Get("way") })
	if !ok || i < 0 {
		return identity.ErrWays
	}
	if order, ok := moved(v.Ways, v.Order, f.Get("way"), by); ok { // else it stands at the end already
		if err := d.o.Identity.OrderWays(ctx, order); err != nil {
			return err
		}
	}
	return web.SeeOther(w, r, reachPath+"#"+v.Ways[i].Name)
}

type reachOrderInput struct {
	Body struct {
		Ways []string `json:"ways" maxItems:"50" doc:"Words of ways, the first one first; empty: the usual order again. What is not named comes after"`
	}
}

func (d *Desk) reachOrderAPI(a *web.API) {
	web.Operation(a, huma.Operation{OperationID: "order-own-ways", Method: http.MethodPut, Path: "/api/v1/reach/order", Summary: "Put the own ways into the order in which an alarm tries them", Tags: []string{"people"}}, "people", d.apiReachOrder)
}

func (d *Desk) apiReachOrder(ctx context.Context, in *reachOrderInput) (*web.List[reachWayBody], error) {
	v, err := d.reach(ctx)
	if err != nil {
		return nil, err
	}
	for _, w := range in.Body.Ways {
		known := slices.Contains(chain.Ways(), chain.Way(w)) || slices.ContainsFunc(v.Ways, func(x reachWay) bool { return x.named() == w })
		if !known {
			return nil, fault.New(fault.Invalid, "desk.reach_no_such_way", w).Field("ways", "identity.bad_order")
		}
	}
	if err := d.o.Identity.OrderWays(ctx, in.Body.Ways); err != nil {
		return nil, err
	}
	return d.apiReach(ctx, nil)
}
