package app

import (
	"cmp"
	"io"
	"log/slog"
	"os"
	"slices"

	"tuermer/internal/platform/i18n"
	"tuermer/internal/town/identity"
)

// Settings is everything that a command knows before it opens the data: the
// command line and its variables over the configuration file over the
// defaults. [NewSettings] puts the three together.
type Settings struct {
	Config     *Config   // never nil; empty without a file
	More       []*Config // of further towns, where ConfigFile is a folder
	Town       string    // slug of the town that the command means; empty: the only one, or Config's
	ConfigFile string    // path of the file; empty without one
	Warnings   []Warning // of the file, already shown to the operator
	Data       string    // folder; it need not exist yet
	Database   string    // postgres:// URL; empty: SQLite in Data
	Staff      string    // host:port of the console's listener
	Public     string    // host:port of the public page's listener
	Mail       string    // host:port at which sources may send mails; empty: nowhere
	DNS        string    // host:port of the name server to ask; empty: the machine's
	TLSCert    string    // files with which both speak TLS; empty: they do not
	TLSKey     string
	ACME       ACMEConfig // gets certificates by itself; off without a mail address
	Lang       i18n.Lang  // of what the operator reads
	Version    string
	Log        *slog.Logger
	Stdout     io.Writer // results, such as a sign-in link
	Stderr     io.Writer // notes and the log

	// Again reads all of this anew, for a reload; Hangup is SIGHUP, which asks for
	// one. Nil: neither is known.
	Again  func() (Settings, error)
	Hangup <-chan os.Signal
}

// Where the two listeners stand unless somebody says otherwise: on this
// machine alone, for a reverse proxy adds TLS.
const (
	DefaultStaff  = "127.0.0.1:8420"
	DefaultPublic = "127.0.0.1:8421"
	DefaultData   = "data"
)

// NewSettings fills what the command line left empty in s from the file and
// then from the defaults. cfg may be nil.
func NewSettings(s Settings, cfg *Config) Settings {
	if cfg == nil {
		cfg = &Config{}
		cfg.fillDefaults()
	}
	s.Config = cfg
	for _, c := range s.More { // checked to agree, see [LoadConfigs]
		s.Data, s.Database = cmp.Or(s.Data, c.Data), cmp.Or(s.Database, c.Database)
		s.Staff, s.Public = cmp.Or(s.Staff, c.Listen.Staff), cmp.Or(s.Public, c.Listen.Public)
		s.Mail = cmp.Or(s.Mail, c.Listen.Mail)
	}
	if s.TLSCert == "" {
		s.ACME = cfg.Listen.ACME.filled(append([]*Config{cfg}, s.More...))
	}
	s.TLSCert, s.TLSKey = cmp.Or(s.TLSCert, cfg.Listen.Certificate), cmp.Or(s.TLSKey, cfg.Listen.Key)
	s.Data = cmp.Or(s.Data, cfg.Data, DefaultData)
	s.Database = cmp.Or(s.Database, cfg.Database)
	s.Staff = cmp.Or(s.Staff, cfg.Listen.Staff, DefaultStaff)
	s.Public = cmp.Or(s.Public, cfg.Listen.Public, DefaultPublic)
	s.Mail = cmp.Or(s.Mail, cfg.Listen.Mail)
	return s
}

// Roles lists what a person may be, most powerful first.
func Roles() []string { return slices.Clone(roles) }

// Scopes lists what a token may be limited to.
func Scopes() []string { return identity.Scopes() }

// ValidEmail reports whether s is a bare mail address.
func ValidEmail(s string) bool {
	_, wrong := parseEmail(s)
	return wrong == nil
}

// ValidListen reports whether s is host:port to listen on.
func ValidListen(s string) bool {
	_, wrong := parseListen(s)
	return wrong == nil
}

// ValidDatabase reports whether s is the address of a PostgreSQL database.
func ValidDatabase(s string) bool {
	_, wrong := parseDatabase(s)
	return wrong == nil
}

// NewUser is a person to be added from the command line.
type NewUser struct {
	Email       string
	Name        string
	Roles       []string
	Alternative string // mail outside the town's own systems
	Mobile      string // E.164
}

// NewToken is an API token to be made from the command line.
type NewToken struct {
	Person string   // mail address
	Name   string   // what the token is for, shown in the console
	Scopes []string // nil: whatever the person may do
}

// CheckResult is one finding of `tuermer check`, in the operator's language.
type CheckResult struct {
	Serious bool   // an alarm would not get out; the command fails
	Red     bool   // something else that a town must not leave so
	What    string // what was found, and why it matters
	WayOut  string // what to do about it
}
