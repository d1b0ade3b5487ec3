package app

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"tuermer/internal/town/channel"
)

// The configuration file, tuermer.yaml, is what an operator prefers to keep in
// git; all of it can be set in the console instead. [ParseConfig] only reads
// and judges: it opens nothing and asks nobody. A wrong file is refused whole,
// with every fault at once; what is missing for an alarm to get out is a
// [Warning], for half a configuration must not keep a town from starting.

// Config is a configuration file as plain data, with defaults filled in. Lists
// are in the order of the file.
type Config struct {
	Town       TownConfig
	URLs       URLsConfig
	SMTP       []SMTPConfig    // in the order in which they are tried
	SMS        []GatewayConfig // in the order in which they are tried
	Voice      []GatewayConfig
	People     []PersonConfig
	Services   []ServiceConfig
	Monitors   []MonitorConfig
	Uplink     UplinkConfig
	History    HistoryConfig
	Audiences  []AudienceConfig
	Messengers []MessengerConfig
	Webhooks   []WebhookConfig
	SignIn     SignInConfig
	Backup     BackupConfig
	Directory  DirectoryConfig
	Twin       TwinConfig
	Heartbeats []HeartbeatConfig
	Rosters    []RosterConfig
	Holidays   []HolidayConfig
	Listen     ListenConfig
	// IntakePublic: other systems may report on the public listener, too.
	IntakePublic bool
	// IntakeDomain is behind the @ of sources that write mails; empty: the console's
	// host.
	IntakeDomain string
	Data         string // data folder; empty: the command line's
	Database     string // postgres:// URL; empty: SQLite in the data folder

	Escalations []EscalationConfig // who is woken, in which order

	at    map[string]place // where each key stands, for findings made later
	files []string         // the file itself and the password files that it names, for backups
}

// TownConfig says whose install this is.
type TownConfig struct {
	Name     string
	Slug     string
	Domains  []string // mail and web domains that fail together with the town's own network
	Networks []string // the town's address ranges in CIDR form
	// ProbeNetworks is where checks that people enter may go; empty: the default.
	ProbeNetworks []string
	Land          string // two letters of the German Land, such as HE; may be empty
	Timezone      string // IANA name; default Europe/Berlin
	Language      string // de or en; default de
}

// URLsConfig holds the addresses under which people reach the two listeners;
// empty means the listener's own address.
type URLsConfig struct{ Staff, Public string }

// SMTPConfig is one way for mail to leave.
type SMTPConfig struct {
	Name         string
	Host         string
	Port         int    // default by TLS: 25, 587 or 465
	From         string // sender's address
	Username     string
	PasswordFile string
	TLS          string // none, starttls (default) or tls
	Password     Secret // content of PasswordFile, read by [LoadConfig]
}

// PersonConfig is a person whom the file declares. Its addresses count as the
// operator's word (I13).
type PersonConfig struct {
	Name        string
	Email       string
	Alternative string // mail outside the town's own systems
	Mobile      string // E.164, such as +491700000001
	Chat        string // in a messenger, such as signal:+491700000001
	Roles       []string
}

// ServiceConfig is one of the town's services.
type ServiceConfig struct {
	Slug       string
	Name       string
	Article    string // der, die, das or plural; empty: to be asked for
	Dative     string // with article, where the rule is wrong
	Accusative string // with article, where the rule is wrong
	Short      string // at most 20 characters, for text messages
	NameEN     string
	NameLS     string // in Leichter Sprache
	Public     bool
	Owner      string // mail address of a person
	Workaround string
	// WorkaroundShort has at most 30 characters, for text messages.
	WorkaroundShort string
	WorkaroundEN    string
	Provider        ProviderConfig
	FirstSteps      string
	DependsOn       []string // slugs
	Audiences       []string // slugs
	AutoPublic      string   // never, checking or confirmed; default checking where public, else never
}

// ProviderConfig says who runs a service for the town; it stands in the alarm.
type ProviderConfig struct {
	Name     string
	Hotline  string
	Contract string
	Hours    string
}

// HistoryConfig says how many days of history are kept; 0 leaves it to the
// console.
type HistoryConfig struct {
	Results int // single results of checks
	Figures int // figures of hours and days
}

// AudienceConfig is a group of people with the same needs.
type AudienceConfig struct {
	Slug       string
	Kind       string // one of audienceKinds
	Name       string
	Recipients []string // mail addresses
}

// WebhookConfig is an HTTP address that gets alarms, statements or both.
type WebhookConfig struct {
	Name       string
	URL        string
	SecretFile string
	Services   []string     // slugs; empty: all services
	Form       string       // one of hookForms; empty: our own signed JSON
	Rest       channel.Rest // the request, of the form rest
	Audiences  []string     // slugs; statements to these audiences go there too
	// StatementsOnly: it hears of no alarms.
	StatementsOnly bool
	// Secret is the content of SecretFile, read by [LoadConfig]: it signs our own
	// JSON with HMAC-SHA-256, and is the product's token in every other form.
	Secret Secret
}

// ListenConfig holds the host:port of the two listeners; empty means the command
// line's, and of the one that takes mails; empty means that there is none. With
// Certificate and Key, files in PEM, all speak TLS.
type ListenConfig struct {
	Staff, Public, Mail, Certificate, Key string
	ACME                                  ACMEConfig
}

// Secret is a text that no log and no error shows.
type Secret string

// String hides the secret from fmt and slog.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "•••"
}

// GoString hides the secret from %#v.
func (s Secret) GoString() string { return `"` + s.String() + `"` }

// Reveal returns the secret for the one place that needs it.
func (s Secret) Reveal() string { return string(s) }

// maxConfig bounds the file in bytes: some ten thousand declared people, and
// half a second to read.
const maxConfig = 2 << 20

// maxSecret bounds a password file in bytes.
const maxSecret = 4 << 10

// ParseConfig reads a configuration file; name is what findings call it. The
// error is a [*ConfigError] with everything that is wrong. Password files are
// not opened, see [LoadConfig].
func ParseConfig(name string, data []byte) (*Config, []Warning, error) {
	r := &configReader{file: name, at: map[string]place{}}
	cfg := &Config{}
	if r.read(data, cfg) {
		cfg.fillDefaults()
		r.checkReferences(cfg)
		r.checkTwin(&cfg.Twin)
		r.checkReplica(cfg)
		r.checkACME(cfg)
		r.checkHeartbeats(cfg.Heartbeats)
		r.checkRosters(cfg)
		r.checkGateways(cfg)
		r.checkMessengers(cfg)
	}
	if len(r.problems) > 0 {
		return nil, nil, r.err()
	}
	r.warn(cfg)
	cfg.at = r.at
	slices.SortStableFunc(r.warnings, byPlace)
	return cfg, r.warnings, nil
}

// LoadConfig reads a configuration file from disk together with the password
// files that it names; their paths are relative to the file's own folder.
func LoadConfig(path string) (*Config, []Warning, error) {
	r := &configReader{file: path}
	data, err := readBounded(path, maxConfig)
	switch {
	case errors.Is(err, os.ErrNotExist):
		r.refuse(place{}, "", "config.no_file")
		return nil, nil, r.err()
	case errors.Is(err, errTooLong):
		r.refuse(place{}, "", "config.too_big", maxConfig>>20)
		return nil, nil, r.err()
	case err != nil:
		r.refuse(place{}, "", "config.unreadable", plainError(err))
		return nil, nil, r.err()
	}
	cfg, warnings, err := ParseConfig(path, data)
	if err != nil {
		return nil, nil, err
	}

	r.at = cfg.at
	folder := filepath.Dir(path)
	for i := range cfg.SMTP {
		s := &cfg.SMTP[i]
		r.secret(folder, s.PasswordFile, fmt.Sprintf("smtp[%d].password_file", i), &s.Password)
	}
	for key, list := range cfg.gatewayLists() {
		for i := range list {
			g := &list[i]
			r.secret(folder, g.SecretFile, fmt.Sprintf("%s[%d].secret_file", key, i), &g.Secret)
			if g.SecretEnv != "" && g.Secret == "" {
				g.Secret = Secret(os.Getenv(g.SecretEnv))
			}
			r.trunkFile(folder, fmt.Sprintf("%s[%d]", key, i), g)
		}
	}
	for i := range cfg.Messengers {
		m := &cfg.Messengers[i]
		r.secret(folder, m.SecretFile, fmt.Sprintf("messengers[%d].secret_file", i), &m.Secret)
		if m.SecretEnv != "" && m.Secret == "" {
			m.Secret = Secret(os.Getenv(m.SecretEnv))
		}
	}
	for i := range cfg.Webhooks {
		w := &cfg.Webhooks[i]
		r.secret(folder, w.SecretFile, fmt.Sprintf("webhooks[%d].secret_file", i), &w.Secret)
	}
	if o := &cfg.SignIn.OIDC; o.Issuer != "" {
		r.secret(folder, o.SecretFile, "sign_in.oidc.client_secret_file", &o.Secret)
	}
	r.directoryFiles(folder, &cfg.Directory)
	cfg.Listen.ACME.CA = r.wholeFile(folder, cfg.Listen.ACME.CAFile, "listen.acme.ca_file")
	for _, file := range []*string{&cfg.Listen.Certificate, &cfg.Listen.Key} {
		if *file != "" && !filepath.IsAbs(*file) {
			*file = filepath.Join(folder, *file)
		}
	}
	r.twinSecrets(folder, &cfg.Twin)
	r.placeSecrets(folder, "backup.replica.targets", len(cfg.Backup.Replica.Targets), func(i int) *PlaceConfig { return &cfg.Backup.Replica.Targets[i] })
	for i := range cfg.Heartbeats {
		h := &cfg.Heartbeats[i]
		r.secret(folder, h.URLFile, fmt.Sprintf("heartbeats[%d].url_file", i), &h.Secret)
	}
	for i := range cfg.Monitors {
		r.secrets(folder, fmt.Sprintf("monitors[%d]", i), &cfg.Monitors[i])
	}
	if len(r.problems) > 0 {
		return nil, nil, r.err()
	}
	cfg.files = append([]string{path}, r.opened...)
	warnings = append(warnings, r.warnings...)
	slices.SortStableFunc(warnings, byPlace)
	return cfg, warnings, nil
}

// secret reads one password file, whose last line break is not part of it.
func (r *configReader) secret(folder, file, path string, dst *Secret) {
	if file == "" {
		return
	}
	full := file
	if !filepath.IsAbs(full) {
		full = filepath.Join(folder, file)
	}
	r.opened = append(r.opened, full)
	data, err := readBounded(full, maxSecret)
	if errors.Is(err, errTooLong) {
		r.refuse(r.at[path], path, "config.secret_long", full, maxSecret)
		return
	}
	if err != nil {
		r.refuse(r.at[path], path, "config.secret_unreadable", full, plainError(err))
		return
	}
	text := strings.TrimRight(string(data), "\r\n")
	if text == "" || strings.ContainsAny(text, "\r\n\x00") {
		r.refuse(r.at[path], path, "config.secret_shape", full)
		return
	}
	if info, err := os.Stat(full); err == nil && info.Mode().Perm()&0o007 != 0 {
		r.remark(r.at[path], path, "config.warn_secret_open", full)
	}
	*dst = Secret(text)
}

var errTooLong = errors.New("too long")

// readBounded reads a file of at most limit bytes; a longer one is not read to
// its end, so that a wrong path to a huge file costs nothing.
func readBounded(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, errors.New("is a directory")
	}
	var b bytes.Buffer
	n, err := io.Copy(&b, io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if n > limit {
		return nil, errTooLong
	}
	return b.Bytes(), nil
}

// plainError drops the operation and path that the finding names already.
func plainError(err error) string {
	if pe, ok := errors.AsType[*os.PathError](err); ok {
		return pe.Err.Error()
	}
	return err.Error()
}

func (c *Config) fillDefaults() {
	c.Directory.fill()
	c.Town.Timezone = cmp.Or(c.Town.Timezone, "Europe/Berlin")
	c.Town.Language = cmp.Or(c.Town.Language, "de")
	ports := map[string]int{"none": 25, "starttls": 587, "tls": 465}
	for i := range c.SMTP {
		s := &c.SMTP[i]
		s.TLS = cmp.Or(s.TLS, "starttls")
		s.Port = cmp.Or(s.Port, ports[s.TLS])
		s.Name = cmp.Or(s.Name, s.Host)
	}
	for i := range c.People {
		if p := &c.People[i]; len(p.Roles) == 0 {
			p.Roles = []string{"reader"}
		}
	}
	for i := range c.Services {
		if s := &c.Services[i]; s.AutoPublic == "" {
			s.AutoPublic = "never"
			if s.Public {
				s.AutoPublic = "checking"
			}
		}
	}
	for i := range c.Monitors {
		c.Monitors[i].fill()
		c.Monitors[i].inTown(c.Town.Timezone)
	}
	for i := range c.Audiences {
		if a := &c.Audiences[i]; a.Kind == "" && slices.Contains(audienceKinds, a.Slug) {
			a.Kind = a.Slug
		}
	}
}
