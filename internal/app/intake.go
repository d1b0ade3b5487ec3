package app

import (
	"context"
	"net"
	"time"

	"tuermer/internal/notice/intake"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
)

// tenantByHost is the town whose address a request names.
func (a *App) tenantByHost(ctx context.Context, host string) (ident.Tenant, error) {
	t, err := a.identity.TenantByHost(ctx, host)
	return t.ID, err
}

// intakePublic reports whether the file of the town in ctx opens the sources'
// addresses on the public listener, too.
func (a *App) intakePublic(ctx context.Context) bool {
	c := a.configOf(ctx)
	return c != nil && c.IntakePublic
}

// intakeDomain is behind the @ of sources that write mails to the town in ctx.
func (a *App) intakeDomain(ctx context.Context) string {
	if c := a.configOf(ctx); c != nil {
		return c.IntakeDomain
	}
	return ""
}

// dialMailbox connects to a mail server that the people of the town in ctx entered.
func (a *App) dialMailbox(ctx context.Context, network, addr string) (net.Conn, error) {
	return a.heldRelay(ident.TenantOf(ctx)).DialContext(ctx, network, addr)
}

// leads tells whether this node does what only one of several may do.
func (a *App) leads() bool { return a.nodes == nil || a.nodes.Leads() }

// serveMail takes mails of sources on l until Stop.
func (a *App) serveMail(l net.Listener) {
	o := intake.MailOptions{}
	if c := a.config(); c != nil {
		o.Domain = c.IntakeDomain
	}
	if a.secure != nil {
		o.TLS = a.secure.config()
		o.TLS.NextProtos = nil
	}
	m := a.intake.ServeMail(l, o)
	a.onStop(func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, serverGrace)
		defer cancel()
		return m.Stop(ctx)
	})
}

// SourceFormats lists what the other systems may speak.
func SourceFormats() []string {
	var out []string
	for _, f := range intake.Formats() {
		out = append(out, string(f))
	}
	return out
}

// SourceLine is one source for the command line.
type SourceLine struct {
	Name, Title, Format string
	State               string // in the operator's language
	HeardAt             time.Time
	ResolveAfter        time.Duration // 0: only a word ends what it reports
}

// NewSource is what the command line says of a source.
type NewSource struct {
	Format  string
	Title   string
	Service string        // slug; may be empty
	Rhythm  time.Duration // 0: never silent
	// ResolveAfter is after how long without a word about it something counts as
	// over; 0: never.
	ResolveAfter time.Duration
}

// SourceAddress is where a source reports, and what makes it do so.
type SourceAddress struct {
	URL   string
	Paste []SourcePaste
}

// SourcePaste is what to enter at one place of the other system.
type SourcePaste struct {
	Where string // in the operator's language
	Text  string
}

// AddSource makes a source and returns its address, which is told only here.
func (Commands) AddSource(ctx context.Context, s Settings, n NewSource) (at SourceAddress, err error) {
	err = once(ctx, s, func(ctx context.Context, a *App) error {
		at.URL, err = a.intake.Add(ctx, intake.Source{Title: n.Title, Format: intake.Format(n.Format), Service: n.Service, Rhythm: n.Rhythm, ResolveAfter: n.ResolveAfter})
		if err != nil {
			return err
		}
		for _, p := range intake.HowTo(intake.Format(n.Format), at.URL) {
			at.Paste = append(at.Paste, SourcePaste{a.catalog.Text(s.Lang, p.Where), p.Text})
		}
		return nil
	})
	return at, err
}

// Sources lists the other systems that report here.
func (Commands) Sources(ctx context.Context, s Settings) (out []SourceLine, err error) {
	err = once(ctx, s, func(ctx context.Context, a *App) error {
		all, err := a.intake.List(ctx)
		for _, x := range all {
			out = append(out, SourceLine{x.Name, x.Title, string(x.Format), a.catalog.Text(s.Lang, "intake.state_"+string(x.State())), x.HeardAt, x.ResolveAfter})
		}
		return err
	})
	return out, err
}

// RevokeSource refuses the address of a source, said by its short name or its title,
// from now on.
func (Commands) RevokeSource(ctx context.Context, s Settings, name string) error {
	return once(ctx, s, func(ctx context.Context, a *App) error {
		x, err := a.intake.Find(ctx, name)
		if err != nil {
			return err
		}
		return a.intake.Revoke(ctx, x.Name)
	})
}

// TestSource says what a body of a source, said by its short name or its title, would
// be understood as; without a body that is the one that came last. Nothing is stored
// and nobody is alarmed.
func (Commands) TestSource(ctx context.Context, s Settings, name string, body []byte) (out []string, err error) {
	err = once(ctx, s, func(ctx context.Context, a *App) error {
		var b *intake.Body
		if len(body) > 0 {
			b = &intake.Body{Data: body}
		}
		x, err := a.intake.Find(ctx, name)
		if err != nil {
			return err
		}
		seen, err := a.intake.Read(ctx, x.Name, b, nil)
		if err != nil {
			return err
		}
		if seen.Problem != "" {
			return fault.New(fault.Invalid, "intake.problem_"+seen.Problem)
		}
		for _, x := range seen.Reports {
			word := a.catalog.Text(s.Lang, "intake.report_"+x.Word())
			out = append(out, word+"  "+x.Key+"  "+x.Title)
		}
		return nil
	})
	return out, err
}
