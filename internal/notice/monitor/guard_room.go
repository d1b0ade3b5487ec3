package monitor

import (
	"context"
	"net/netip"
	"net/url"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/fence"
	"tuermer/internal/platform/ident"
)

// checkReach tells at once what no check would be allowed to do: addresses in
// a spec that lie outside of the tenant's reach. Names are judged when they are
// looked up, at every check.
func (r *Room) checkReach(ctx context.Context, s Spec) error {
	bad := fault.New(fault.Invalid, "monitor.invalid")
	places := s.places()
	if len(places) == 0 {
		return nil
	}
	list, err := r.reach(ctx, ident.TenantOf(ctx))
	if err != nil {
		return err
	}
	for path, host := range places {
		a, err := netip.ParseAddr(host)
		if err == nil && list.Allows(a) != nil {
			bad = bad.Field(path, ProblemReach)
		}
	}
	if len(bad.Fields) > 0 {
		return bad
	}
	return nil
}

func (r *Room) reach(ctx context.Context, t ident.Tenant) (fence.List, error) {
	if r.o.Reach == nil {
		return fence.List{}, nil
	}
	return r.o.Reach(ctx, t)
}

// places are all hosts that a spec names, by the key where they stand.
func (s Spec) places() map[string]string {
	out := map[string]string{}
	for path, raw := range map[string]string{"url": s.URL, "proxy": s.Proxy} {
		if u, err := url.Parse(raw); err == nil && u.Hostname() != "" {
			out[path] = u.Hostname()
		}
	}
	if s.Host != "" && s.Kind != DNS && s.Kind != Domain {
		out["host"] = s.Host
	}
	if s.DNS.Server != "" {
		out["dns.server"], _ = serverOf(s.DNS.Server)
	}
	return out
}
