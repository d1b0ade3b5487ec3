package monitor

import (
	"fmt"
	"slices"
	"time"
)

// DefaultCertificate is how long a certificate must still be valid where the
// spec says nothing else: renewals that work happen long before.
const DefaultCertificate = 14 * 24 * time.Hour

// Soft lists what is still an answer, yet not a good one. Who misses one of
// these limits is [Degraded]: shown and told, but nobody is woken at night.
type Soft struct {
	// Within is the longest duration of a good check; zero: no limit.
	Within Duration `yaml:"within,omitempty" json:"within,omitempty"`
	// Status lists codes that are accepted and yet no good sign, such as 429.
	Status []StatusRange `yaml:"status,omitempty" json:"status,omitempty"`
}

// Soft tells whether a failure with this reason lies ahead and not behind: the
// target works, for too short a time.
func (r Reason) Soft() bool { return r == ReasonCert || r == ReasonDomain }

// Inward tells whether the public notices nothing of it: what ends soon is for
// the town to renew, and works until then.
func (r Reason) Inward() bool { return r.Soft() }

// normalSoft checks the soft limits.
func (s *Spec) normalSoft(c *check) {
	s.Degraded.Status = slices.Clone(s.Degraded.Status)
	if s.Kind == Heartbeat {
		if s.Degraded.Within != 0 || len(s.Degraded.Status) > 0 {
			c.add("degraded", ProblemUnused, "kind", string(s.Kind))
		}
		return
	}
	c.span("degraded.within", &s.Degraded.Within, 0, time.Millisecond, MaxTimeout)
	for i, r := range s.Degraded.Status {
		if !r.valid() {
			c.add(fmt.Sprintf("degraded.status[%d]", i), ProblemStatus)
		}
	}
}

// soften applies the soft limits to a result that is healthy otherwise.
func (s *Spec) soften(r *Result) error {
	if d := s.certificate(); d > 0 && !r.CertExpires.IsZero() && r.CertExpires.Sub(r.At) < d {
		return failf(ReasonCert, "certificate ends %s", r.CertExpires.Format(time.DateOnly))
	}
	if len(s.Degraded.Status) > 0 && hasStatus(s.Degraded.Status, r.Code) {
		return failf(ReasonStatus, "HTTP %d", r.Code)
	}
	if d := s.Degraded.Within.D(); d > 0 && r.Took > d {
		return failf(ReasonSlow, "took %s, good is at most %s", r.Took.Round(time.Millisecond), d)
	}
	return nil
}

// certificate is how long the target's certificate must still be valid.
func (s *Spec) certificate() time.Duration {
	switch d := s.Expect.Certificate.D(); {
	case d > 0:
		return d
	case s.TLS.Insecure: // nobody looks after that certificate
		return 0
	}
	return DefaultCertificate
}
