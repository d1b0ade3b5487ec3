package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"tuermer/internal/app"
	health "tuermer/internal/notice/pulse"
	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/platform/zonetest"
)

var only = flag.String("szenario", "", "nur dieses Szenario")

// TestScenarios plays testdata/*.txtar against the real product: its own
// database, its own web server, a real mail server, real probes, over a network
// inside the test and in virtual time. Without a tuermer.yaml of its own a
// scenario plays in testdata/musterstadt.yaml; testdata/LIESMICH.md explains the
// words.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no scenarios", err)
	}
	for _, f := range files {
		name := strings.TrimSuffix(filepath.Base(f), ".txtar")
		if *only != "" && *only != name {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			archive, err := txtar.ParseFile(f)
			if err != nil {
				t.Fatal(err)
			}
			synctest.Test(t, func(t *testing.T) { play(t, f, archive, "") })
		})
	}
}

// TestOnPostgres plays testdata/postgres/*.txtar in real time on PostgreSQL, as
// an open LISTEN would hold virtual time.
func TestOnPostgres(t *testing.T) {
	base := os.Getenv("TUERMER_TEST_DATABASE")
	if base == "" {
		t.Skip("TUERMER_TEST_DATABASE is not set; make test sets it")
	}
	files, err := filepath.Glob("testdata/postgres/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no scenarios", err)
	}
	for _, f := range files {
		archive, err := txtar.ParseFile(f)
		if err != nil {
			t.Fatal(err)
		}
		play(t, f, archive, storetest.Schema(t, base))
	}
}

// The two addresses of the product in every scenario.
const (
	staffHost  = "lage.example:80"
	publicHost = "status.example:80"
)

// stage is one scenario being played.
type stage struct {
	t       *testing.T
	net     *memnet
	dir     string
	config  *app.Config
	app     *app.App
	mail    map[string]*mailServer
	targets map[string]*target
	readers map[string]*reader
	now     *reader
	who     string
	last    *letter
	log     *slog.Logger
	zone    *time.Location
	// skew is how far the machine's clock was set; see [stage.setClock].
	skew atomic.Int64
	// database is a PostgreSQL: then time is real.
	database string
	sights   sights
	lookouts map[string]*lookout
	files    map[string][]byte // that belong to the scenario
	bags     map[string]*bag
	chats    map[string]*chatRoom
	idp      *provider
	gateways map[string]*smsGateway
	centres  map[string]*smppCentre

	messengers   map[string]*messengerService
	commandChats map[string]*commandChat
	feed         string // address of the calendar that somebody follows
	lastChat     *message
	lastSMS      *short
	lastCall     *short
	pushes       *pushService
	seal         tls.Certificate // of everything outside that speaks TLS
	roots        *x509.CertPool
	// addresses of foreign systems, by the name of the source.
	addresses map[string]string
	mailed    map[string][]string // what they wrote, by the same name
	boxes     map[string]*box
	spaces    map[string]*webSpace
	next      *neighbour
	names     *zonetest.Zone // nil: DNS is not asked
	outside   string         // folder of the running copy and its key; empty: there is none
}

// settle is how long everything may take that follows from an act at once;
// patience is how long real time may take where virtual time only settles.
const (
	settle   = 300 * time.Millisecond
	patience = 30 * time.Second
)

func play(t *testing.T, file string, archive *txtar.Archive, database string) {
	dir, err := os.MkdirTemp(shm(), "tuermer")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	zone, err := clock.Zone("")
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{
		t: t, net: newMemnet(), dir: dir, zone: zone, database: database, mail: map[string]*mailServer{}, targets: map[string]*target{}, readers: map[string]*reader{},
		log: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelError})),
	}
	s.seal, s.roots = notary()
	yaml, err := os.ReadFile("testdata/musterstadt.yaml")
	if err != nil {
		t.Fatal(err)
	}
	s.files = map[string][]byte{}
	for _, f := range archive.Files {
		s.files[f.Name] = f.Data
		if f.Name == "tuermer.yaml" {
			yaml = f.Data
		}
	}
	if yaml, err = s.copyPlaces(yaml); err != nil {
		t.Fatal(err)
	}
	if s.config, _, err = app.ParseConfig("tuermer.yaml", often(yaml)); err != nil {
		t.Fatal(err)
	}
	s.hookSecrets()
	if file, ok := s.files["dns.zone"]; ok {
		if s.names, err = zonetest.Parse(string(file)); err != nil {
			t.Fatal(err)
		}
	}
	defer s.end()
	if err := s.begin(); err != nil {
		t.Fatal(err)
	}
	for n, line := range strings.Split(string(archive.Comment), "\n") {
		words, err := split(line)
		if err == nil && len(words) > 0 {
			err = s.do(words)
		}
		if err != nil {
			t.Fatalf("%s:%d: %s\n%v\n\n%s", file, n+1, line, err, s.scene())
		}
	}
}

// shm is a folder in memory where there is one: a scenario writes a lot.
func shm() string {
	if i, err := os.Stat("/dev/shm"); err == nil && i.IsDir() {
		return "/dev/shm"
	}
	return ""
}

func (s *stage) begin() error {
	if s.config != nil {
		for _, m := range s.config.SMTP {
			srv := &mailServer{net: s.net, addr: fmt.Sprintf("%s:%d", m.Host, m.Port)}
			s.mail[m.Name] = srv
			if err := srv.up(); err != nil {
				return err
			}
		}
		for _, m := range s.config.Monitors {
			if err := s.newTarget(m.Slug, m.Spec.URL); err != nil {
				return err
			}
		}
		for _, ref := range s.config.Uplink.References {
			if err := s.newTarget(ref, ref); err != nil {
				return err
			}
		}
	}
	if err := s.newSpaces(); err != nil {
		return err
	}
	return s.startApp()
}

// newTarget makes what a monitor or a reference looks at.
func (s *stage) newTarget(name, url string) error {
	rest, ok := strings.CutPrefix(url, "http://")
	if !ok {
		return nil
	}
	host, _, _ := strings.Cut(rest, "/")
	s.targets[name] = &target{mode: "läuft"}
	return s.targets[name].up(s.net, hostPort(host))
}

// often writes every line of a configuration that contains {1..n} n times, with
// the number in its place.
func often(yaml []byte) []byte {
	var out []string
	for line := range strings.Lines(string(yaml)) {
		before, rest, found := strings.Cut(line, "{1..")
		digits, _, closed := strings.Cut(rest, "}")
		n, err := strconv.Atoi(digits)
		if !found || !closed || err != nil || strings.HasPrefix(strings.TrimSpace(before), "#") {
			out = append(out, line)
			continue
		}
		for i := 1; i <= n; i++ {
			out = append(out, strings.ReplaceAll(line, "{1.."+digits+"}", fmt.Sprintf("%03d", i)))
		}
	}
	return []byte(strings.Join(out, ""))
}

func (s *stage) options() app.Options {
	return app.Options{
		Serve: s.outside != "", Lookup: s.lookup(), Config: s.config, Dir: s.dir, StaffAddr: staffHost, PublicAddr: publicHost, MailAddr: s.config.Listen.Mail, Version: "test", Log: s.log,
		Clock: skewed{&s.skew}, Quiet: s.database == "", Database: s.database, Listen: s.net.Listen, Dial: s.dialFrom("Türmer"), Roots: s.roots,
		Facts: func() health.Facts { return health.Facts{Hosts: []netip.Addr{netip.MustParseAddr("198.51.100.7")}} },
	}
}

func (s *stage) startApp() error {
	a, err := app.New(s.t.Context(), s.options())
	if err != nil {
		return err
	}
	s.app = a
	return a.Start(s.t.Context())
}

func (s *stage) stopApp() error {
	if s.app == nil {
		return nil
	}
	a := s.app
	s.app = nil
	return a.Stop(context.Background())
}

func (s *stage) end() {
	for name, l := range s.lookouts {
		if l.cancel != nil {
			if err := s.haltSonde(name); err != nil {
				s.t.Errorf("sonde %s: %v", name, err)
			}
		}
	}
	s.endNeighbour()
	if err := s.stopApp(); err != nil {
		s.t.Errorf("stop: %v", err)
	}
	if s.idp != nil {
		s.idp.down()
	}
	for _, m := range s.mail {
		m.down()
	}
	for _, t := range s.targets {
		t.down()
	}
	for _, c := range s.chats {
		c.down()
	}
	for _, w := range s.spaces {
		w.down()
	}
	for _, c := range s.centres {
		c.down()
	}
	for _, m := range s.messengers {
		m.down()
	}
	for _, g := range s.gateways {
		g.down()
	}
	for _, b := range s.boxes {
		b.down()
	}
	s.pushes.down()
	for _, r := range s.readers {
		r.client.CloseIdleConnections()
	}
}

// scene says where the scenario stands, for a failure.
func (s *stage) scene() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Es ist %s.\n", time.Now().In(s.zone).Format("2.1.2006 15:04:05"))
	if s.now != nil && s.now.at != nil {
		fmt.Fprintf(&b, "%s sieht %s (%d):\n%s\n", s.who, s.now.at, s.now.status, strings.Join(strings.Fields(s.now.text()), " "))
	}
	for name, m := range s.mail {
		fmt.Fprintf(&b, "Ungelesene Mails bei %s:\n%s", name, m.unread(""))
	}
	return b.String()
}

// split takes a line apart: words, and "quoted words" as one. # begins a remark.
func split(line string) ([]string, error) {
	var out []string
	for line = strings.TrimSpace(line); line != "" && line[0] != '#'; line = strings.TrimSpace(line) {
		if line[0] != '"' {
			word, rest, _ := strings.Cut(line, " ")
			out, line = append(out, word), rest
			continue
		}
		end := strings.IndexByte(line[1:], '"')
		if end < 0 {
			return nil, errors.New("hier fehlt ein schließendes Anführungszeichen")
		}
		out, line = append(out, line[1:1+end]), line[2+end:]
	}
	return out, nil
}

// act is one word of the vocabulary.
type act struct {
	least int
	do    func(s *stage, args []string) error
}

var vocabulary = map[string]act{
	"Uhrzeit":       {1, (*stage).until},
	"Warte":         {1, (*stage).wait},
	"Uhr":           {2, (*stage).setClock},
	"Dienst":        {2, (*stage).targetTo},
	"Mailserver":    {2, (*stage).mailTo},
	"Leitung":       {1, (*stage).lineTo},
	"Neustart":      {0, (*stage).restart},
	"Person":        {1, (*stage).person},
	"Öffne":         {1, (*stage).openPage},
	"Klicke":        {1, (*stage).clickOn},
	"Fülle":         {2, (*stage).fillIn},
	"Seite":         {1, (*stage).page},
	"Mail":          {2, (*stage).letterTo},
	"Mails":         {2, (*stage).letters},
	"Link":          {1, (*stage).link},
	"API":           {2, (*stage).api},
	"Sonde":         {2, (*stage).sonde},
	"Quelle":        {2, (*stage).source},
	"Postfach":      {2, (*stage).mailbox},
	"Standort":      {3, (*stage).place},
	"Telefon":       {1, (*stage).phone},
	"Zettel":        {1, (*stage).sheet},
	"Anmeldedienst": {1, (*stage).provider},
	"Kanal":         {2, (*stage).chat},
	"Einlesen":      {2, (*stage).reread},
	"Namensdienst":  {1, (*stage).nameService},
}

func (s *stage) do(words []string) error {
	a, ok := vocabulary[words[0]]
	if !ok {
		a, ok = outside[words[0]]
	}
	if !ok {
		known := make([]string, 0, len(vocabulary))
		for k := range vocabulary {
			known = append(known, k)
		}
		slices.Sort(known)
		return fmt.Errorf("das Wort „%s“ kennt das Szenario nicht; es kennt %s", words[0], strings.Join(known, ", "))
	}
	if len(words)-1 < a.least {
		return fmt.Errorf("„%s“ braucht mindestens %d Angaben", words[0], a.least)
	}
	err := a.do(s, words[1:])
	if s.database != "" {
		return s.inRealTime(words, a, err)
	}
	if err != nil {
		return err
	}
	if words[0] != "Uhrzeit" && words[0] != "Warte" && words[0] != "Seite" && words[0] != "Mail" {
		time.Sleep(settle)
	}
	synctest.Wait()
	return nil
}

// inRealTime asks again for what has not come yet.
func (s *stage) inRealTime(words []string, a act, err error) error {
	for end := time.Now().Add(patience); err != nil && (words[0] == "Mail" || words[0] == "Seite") && time.Now().Before(end); {
		<-time.After(settle)
		if words[0] == "Seite" {
			if e := s.now.open(s.now.at.String()); e != nil {
				return e
			}
		}
		err = a.do(s, words[1:])
	}
	if err == nil && words[0] != "Seite" && words[0] != "Mail" {
		<-time.After(settle)
	}
	return err
}

// until waits for a time of day in the town.
func (s *stage) until(args []string) error {
	at, err := time.Parse("15:04", args[0])
	if err != nil {
		return err
	}
	now := time.Now().In(s.zone)
	to := time.Date(now.Year(), now.Month(), now.Day(), at.Hour(), at.Minute(), 0, 0, s.zone)
	if !to.After(now) {
		to = to.AddDate(0, 0, 1)
	}
	time.Sleep(time.Until(to))
	return nil
}

func (s *stage) wait(args []string) error {
	d, err := time.ParseDuration(args[0])
	if err != nil {
		return err
	}
	time.Sleep(d)
	return nil
}

// setClock: Uhr springt 2h | -2h. Only what the product takes for the time
// jumps; the scenario's own times of day stay what they were.
func (s *stage) setClock(args []string) error {
	d, err := time.ParseDuration(args[1])
	if err != nil || args[0] != "springt" {
		return errors.New("erwartet wird: Uhr springt 2h oder Uhr springt -2h")
	}
	s.skew.Add(int64(d))
	return nil
}

// skewed is a machine's clock that somebody may set.
type skewed struct{ by *atomic.Int64 }

func (c skewed) Now() time.Time {
	return clock.Cut(time.Now().Add(time.Duration(c.by.Load())))
}

// targetTo: Dienst portal fällt aus | antwortet | meldet Fehler | hängt.
func (s *stage) targetTo(args []string) error {
	t := s.targets[args[0]]
	if t == nil {
		return fmt.Errorf("das Ziel „%s“ steht nicht unter monitors", args[0])
	}
	addr := ""
	for _, m := range s.config.Monitors {
		if m.Slug == args[0] {
			host, _, _ := strings.Cut(strings.TrimPrefix(m.Spec.URL, "http://"), "/")
			addr = hostPort(host)
		}
	}
	switch how := strings.Join(args[1:], " "); how {
	case "fällt aus":
		t.down()
		return nil
	case "antwortet":
		t.set("läuft")
	case "meldet Fehler":
		t.set("fehler")
	case "hängt":
		t.set("hängt")
	case "ist langsam":
		t.set("langsam")
	default:
		return fmt.Errorf("„%s“: erwartet wird fällt aus, antwortet, meldet Fehler, hängt oder ist langsam", how)
	}
	return t.up(s.net, addr)
}

// lineTo: Leitung fällt aus | kommt zurück. Without the line nothing outside can
// be reached: no target, and no reference. The mail servers stand inside.
func (s *stage) lineTo(args []string) error {
	switch how := strings.Join(args, " "); how {
	case "fällt aus":
		s.net.cutTo(func(addr string) bool { return !s.inside(addr) })
	case "kommt zurück":
		s.net.cutTo(nil)
	default:
		return fmt.Errorf("„%s“: erwartet wird fällt aus oder kommt zurück", how)
	}
	return nil
}

// inside tells whether an address belongs to the town itself: its mail servers,
// and targets whose name ends in .intern.
func (s *stage) inside(addr string) bool {
	host, _, _ := strings.Cut(addr, ":")
	if addr == staffHost || addr == publicHost {
		return true // whoever reads them sits in the town, or elsewhere
	}
	for _, m := range s.mail {
		if m.addr == addr {
			return true
		}
	}
	return strings.HasSuffix(host, ".intern")
}

// mailTo: Mailserver primary fällt aus | läuft.
func (s *stage) mailTo(args []string) error {
	m := s.mail[args[0]]
	if m == nil {
		return fmt.Errorf("den Mailserver „%s“ gibt es nicht", args[0])
	}
	if strings.Join(args[1:], " ") == "fällt aus" {
		m.down()
		return nil
	}
	return m.up()
}

func (s *stage) restart([]string) error {
	if err := s.stopApp(); err != nil {
		return err
	}
	return s.startApp()
}
