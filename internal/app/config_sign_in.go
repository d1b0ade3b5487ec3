package app

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"time"

	"tuermer/internal/town/identity"
)

// SignInConfig says by which doors besides the local ones people come in.
type SignInConfig struct {
	OIDC   OIDCConfig
	Second SecondConfig
}

// SecondConfig says who needs a second factor; without roles that is the
// console's business.
type SecondConfig struct {
	Roles     []string
	GraceDays int // default 14
}

// defaultGrace and maxGrace are days to get used to the rule. No days at all
// would let the roles rest of whoever reads of it on Monday.
const defaultGrace, maxGrace = 14, 90

// OIDCConfig is the town's identity provider; an empty issuer is none.
type OIDCConfig struct {
	Issuer       string
	ClientID     string
	SecretFile   string
	Secret       Secret // content of SecretFile, read by [LoadConfig]
	Name         string // on the button
	TrustMail    bool   // its addresses count without email_verified
	SecondFactor bool   // it always asks for a second factor itself
	New          NewPeopleConfig
}

// NewPeopleConfig lets unknown people of the domains in; no domain lets nobody.
type NewPeopleConfig struct {
	Domains []string
	Roles   []string
}

// newRoles are the roles that somebody may get without a person deciding.
var newRoles = []string{"reader", "publisher"}

func (r *configReader) signIn(c *SignInConfig) setter {
	o := &c.OIDC
	return r.object(0,
		field{"oidc", r.object(2,
			field{"issuer", scalar(r, &o.Issuer, parseIssuer)},
			field{"client_id", scalar(r, &o.ClientID, parseLine)},
			field{"client_secret_file", scalar(r, &o.SecretFile, optional(parseLine))},
			field{"name", scalar(r, &o.Name, parseLine)},
			field{"trust_email", r.flag(&o.TrustMail)},
			field{"second_factor", r.flag(&o.SecondFactor)},
			field{"new_people", r.object(1,
				field{"domains", r.each(&o.New.Domains, parseDomain)},
				field{"roles", r.each(&o.New.Roles, oneOf(newRoles))},
			)},
		)},
		field{"second_factor", r.object(1,
			field{"roles", r.each(&c.Second.Roles, oneOf(roles))},
			field{"grace_days", r.number(&c.Second.GraceDays, 1, maxGrace)},
		)},
	)
}

// parseIssuer takes the issuer letter for letter, for the provider compares it
// so: a slash at the end is part of it.
func parseIssuer(s string) (string, *complaint) {
	if u, ok := webURL(s, "http", "https"); !ok || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return "", sorry("config.url", shorten(s), "https://anmeldung.musterstadt.example/realms/stadt")
	}
	return s, nil
}

// ruleDeclared reports whether the rule about second factors of the town in ctx
// stands in its file.
func (a *App) ruleDeclared(ctx context.Context) bool {
	c := a.configOf(ctx)
	return c != nil && len(c.SignIn.Second.Roles) > 0
}

// declareRule makes the rule what the file says.
func (a *App) declareRule(ctx context.Context, c *Config) error {
	s := c.SignIn.Second
	if len(s.Roles) == 0 {
		return nil
	}
	roles := make([]identity.Role, len(s.Roles))
	for i, role := range s.Roles {
		roles[i] = identity.Role(role)
	}
	return a.identity.SaveSecondPolicy(ctx, roles, cmp.Or(s.GraceDays, defaultGrace))
}

// providerTransport carries questions to identity providers, over the same wires
// as everything else.
func (a *App) providerTransport() http.RoundTripper {
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment, DialContext: a.o.Dial, DisableKeepAlives: true, TLSHandshakeTimeout: 10 * time.Second,
		ForceAttemptHTTP2: true,
	}
}

// provider is the identity provider of the town in ctx.
func (a *App) provider(ctx context.Context) (identity.Provider, bool) {
	c := a.configOf(ctx)
	if c == nil || c.SignIn.OIDC.Issuer == "" {
		return identity.Provider{}, false
	}
	o := c.SignIn.OIDC
	p := identity.Provider{
		Name: cmp.Or(o.Name, c.Town.Name), Issuer: o.Issuer, ClientID: o.ClientID, Secret: o.Secret.Reveal(),
		TrustMail: o.TrustMail, SecondFactor: o.SecondFactor, NewDomains: slices.Clone(o.New.Domains),
	}
	for _, role := range o.New.Roles {
		p.NewRoles = append(p.NewRoles, identity.Role(role))
	}
	if len(p.NewRoles) == 0 {
		p.NewRoles = []identity.Role{identity.RoleReader}
	}
	return p, true
}

// checkProvider asks the identity provider whether it answers. That it does not
// is no serious finding: the local doors are open.
func (a *App) checkProvider(ctx context.Context, s Settings) []CheckResult {
	p, ok := a.provider(ctx)
	if !ok {
		return nil
	}
	if err := a.identity.CheckProvider(ctx); err != nil {
		return []CheckResult{{
			What:   a.catalog.Text(s.Lang, "app.check_provider", p.Issuer),
			WayOut: a.catalog.Text(s.Lang, "app.check_provider_out"),
		}}
	}
	return nil
}
