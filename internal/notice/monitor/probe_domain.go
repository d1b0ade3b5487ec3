package monitor

import (
	"context"
	"encoding/json"
	"io"
	"strings"
	"time"
)

// rdapService finds the registry of any domain; it redirects to it.
const rdapService = "https://rdap.org/"

// domainProber asks a registry when a domain's registration ends (RDAP,
// RFC 9083). Some registries, DENIC among them, do not tell.
type domainProber struct{ web *httpProber }

// Probe looks once.
func (p domainProber) Probe(ctx context.Context, s Spec) Result {
	return p.web.w.run(ctx, s, func(ctx context.Context, r *Result) error {
		name, err := asciiHost(s.Host)
		if err != nil {
			return failf(ReasonInvalid, "not a host name: %s", s.Host)
		}
		service := s.URL
		if service == "" {
			service = rdapService
		}
		ask := Spec{
			URL: strings.TrimSuffix(service, "/") + "/domain/" + strings.TrimSuffix(name, "."), Method: "GET",
			Headers: map[string]string{"Accept": "application/rdap+json"}, TLS: s.TLS,
		}
		var body []byte
		err = p.web.get(ctx, &ask, r, func(a *answer) error {
			if a.code == 404 {
				return failf(ReasonStatus, "the registry does not know the domain")
			}
			if a.code != 200 {
				return failf(ReasonStatus, "HTTP %d from the registry", a.code)
			}
			var err error
			if body, err = io.ReadAll(io.LimitReader(a.body, maxBody)); err != nil {
				return bodyError(err)
			}
			return nil
		})
		r.CertExpires = time.Time{} // of the registry's server, not of the domain
		if err != nil {
			return err
		}
		end, err := parseRDAP(body)
		if err != nil {
			return err
		}
		if left := end.Sub(r.At); left < s.Expect.Domain.D() {
			return failf(ReasonDomain, "the registration ends %s", end.Format(time.DateOnly))
		}
		r.Detail = "registered until " + end.Format(time.DateOnly)
		return nil
	})
}

// parseRDAP finds the event "expiration".
func parseRDAP(body []byte) (time.Time, error) {
	var d struct {
		Events []struct {
			Action string    `json:"eventAction"`
			Date   time.Time `json:"eventDate"`
		} `json:"events"`
	}
	if json.Unmarshal(body, &d) != nil {
		return time.Time{}, failf(ReasonProtocol, "the answer is not RDAP")
	}
	for _, e := range d.Events {
		if e.Action == "expiration" {
			return e.Date.UTC(), nil
		}
	}
	return time.Time{}, failf(ReasonBody, "the registry does not tell when the registration ends")
}
