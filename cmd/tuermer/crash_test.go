//go:build linux

package main

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	_ "modernc.org/sqlite" // to look into the file that the killed program left

	"tuermer/internal/platform/store"
)

// crashes: kill -9 in the middle of what must not be lost.
var crashes = []badDay{
	{"mailing killed twenty times", func(t *testing.T, r *built) { killMailing(t, r, 20, 2000, "") }},
	{"mailing killed five times, PostgreSQL", func(t *testing.T, r *built) { killMailing(t, r, 5, 500, ownSchema(t)) }},
	{"alarm killed twenty times", func(t *testing.T, r *built) { killAlarm(t, r, 20, "") }},
	{"alarm killed five times, PostgreSQL", func(t *testing.T, r *built) { killAlarm(t, r, 5, ownSchema(t)) }},
}

// townYAML is the head of every configuration here; the mail server follows.
const townYAML = `town: {name: Musterstadt, slug: musterstadt, domains: [musterstadt.example], land: HE}
urls: {staff: "http://lage.example", public: "http://status.example"}
people:
  - {name: Ada Beispiel, email: ada@musterstadt.example, alternative: ada@posteo.example, roles: [it, publisher]}
  - {name: Bert Kern, email: bert@musterstadt.example, alternative: bert@posteo.example, roles: [admin, approver]}
`

const (
	ada  = "ada@musterstadt.example"
	bert = "bert@musterstadt.example"
)

// adas are the addresses at which alarms arrive.
var adas = []string{ada, "ada@posteo.example"}

func smtpYAML(posts ...*post) string {
	var b strings.Builder
	b.WriteString("smtp:\n")
	for i, s := range posts {
		fmt.Fprintf(&b, "  - {name: route%d, host: 127.0.0.1, port: %s, from: lage@tuermer.example, tls: none}\n", i+1, s.port())
	}
	return b.String()
}

// servicesYAML writes n services "Dienst 01" …, each with a monitor of the target
// at addr.
func servicesYAML(n int, addr string, confirm func(i int) int) string {
	var s, m strings.Builder
	s.WriteString("services:\n")
	m.WriteString("monitors:\n")
	for i := 1; i <= n; i++ {
		fmt.Fprintf(&s, "  - {slug: d%02d, name: Dienst %02d, article: der, public: true, owner: %s, workaround: Telefon, auto_public: checking}\n", i, i, ada)
		fmt.Fprintf(&m, "  - {slug: m%02d, service: d%02d, url: \"http://%s/%02d\", interval: 1s, timeout: 500ms, confirm: %d}\n", i, i, addr, i, confirm(i))
	}
	return s.String() + m.String()
}

// targets is a web server with many paths, each of which can fail.
type targets struct {
	addr string
	srv  *http.Server
	mu   sync.Mutex
	bad  map[string]chan struct{} // closed at the first probe that failed
}

func newTargets(t *testing.T) *targets {
	t.Helper()
	x := &targets{bad: map[string]chan struct{}{}}
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	x.addr = l.Addr().String()
	x.srv = &http.Server{Handler: x, ReadHeaderTimeout: time.Minute}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = x.srv.Serve(l)
	}()
	t.Cleanup(func() {
		_ = x.srv.Close()
		<-done
	})
	return x
}

func (x *targets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x.mu.Lock()
	seen, bad := x.bad[r.URL.Path]
	if bad {
		select {
		case <-seen:
		default:
			close(seen)
		}
	}
	x.mu.Unlock()
	if bad {
		panic(http.ErrAbortHandler) // breaks the connection off, as a dying server does
	}
	_, _ = w.Write([]byte("Willkommen"))
}

// fail lets a path fail; the channel is closed at the first probe that sees it.
func (x *targets) fail(path string) <-chan struct{} {
	x.mu.Lock()
	defer x.mu.Unlock()
	seen := make(chan struct{})
	x.bad[path] = seen
	return seen
}

// heal lets all paths answer again.
func (x *targets) heal() {
	x.mu.Lock()
	defer x.mu.Unlock()
	clear(x.bad)
}

// moment is a random length of time; short ones are as likely as long ones, for
// most of what happens, happens at once.
func moment(dice *rand.Rand, most time.Duration) time.Duration {
	if dice.IntN(2) == 0 {
		most /= 12
	}
	return time.Duration(dice.Int64N(int64(most)))
}

// jitter is a mail server's slowness, for several connections at once.
func jitter(dice *rand.Rand, least, most time.Duration) func() time.Duration {
	own := rand.New(rand.NewPCG(dice.Uint64(), dice.Uint64()))
	var mu sync.Mutex
	return func() time.Duration {
		mu.Lock()
		defer mu.Unlock()
		return least + time.Duration(own.Int64N(int64(most-least)+1))
	}
}

// killAlarm: one service after the other dies, and with each the program at a
// random moment afterwards. Every alarm arrives at both addresses, doubled at
// most once and then recognisably; so does every recovery.
func killAlarm(t *testing.T, r *built, kills int, database string) {
	dice := r.dice(t)
	mails, tg := newPost(t), newTargets(t)
	mails.slow = jitter(dice, 0, 400*time.Millisecond)
	// Every fourth has to be confirmed: those die while only suspected.
	h := r.house(t, townYAML+smtpYAML(mails)+servicesYAML(kills, tg.addr, func(i int) int { return 1 + i%4/3 }))
	h.database = database
	p := h.serve()
	token := h.token(bert)
	arrived := func(i int, word string) bool {
		for _, a := range adas {
			if len(mails.find(a, word, dienst(i))) == 0 {
				return false
			}
		}
		return true
	}
	for i := 1; i <= kills; i++ {
		seen := tg.fail(fmt.Sprintf("/%02d", i))
		within(t, 30*time.Second, dienst(i)+" is seen failing", func() bool { return isClosed(seen) })
		after := moment(dice, 1500*time.Millisecond)
		pause(t, after)
		before := [2]int{len(mails.find(adas[0], "gestört", dienst(i))), len(mails.find(adas[1], "gestört", dienst(i)))}
		p.kill()
		p.quiet()
		mails.next()
		p = h.serve()
		t.Logf("%s: killed %s after the outage was seen, with %v alarms out", dienst(i), after, before)
		// It takes up at once what it was doing when it died, on both databases.
		within(t, 30*time.Second, "receipts of the alarm for "+dienst(i), func() bool { return p.told(token, i) == len(adas) && arrived(i, "gestört") })
	}
	tg.heal()
	for i := 1; i <= kills; i++ {
		within(t, 30*time.Second, "recovery of "+dienst(i), func() bool { return arrived(i, "läuft wieder") })
	}
	doubles, ids := 0, map[string]string{}
	for i := 1; i <= kills; i++ {
		for _, a := range adas {
			alarms, over := mails.find(a, "gestört", dienst(i)), mails.find(a, "läuft wieder", dienst(i))
			if len(alarms) > 2 || len(over) != 1 {
				t.Errorf("%s at %s: %d alarms, %d recoveries", dienst(i), a, len(alarms), len(over))
			}
			for _, m := range alarms {
				if m.id != alarms[0].id || m.subject != alarms[0].subject || m.text != alarms[0].text {
					t.Errorf("%s at %s: the double is another mail: %s, %s", dienst(i), a, m.id, alarms[0].id)
				}
			}
			if who := a + dienst(i); ids[alarms[0].id] != "" {
				t.Errorf("%s and %s have one Message-ID", who, ids[alarms[0].id])
			} else {
				ids[alarms[0].id] = who
			}
			if !strings.Contains(over[0].refs, strings.Trim(alarms[0].refs, " ")) || over[0].refs == "" {
				t.Errorf("%s at %s: recovery (%s) is not in the thread of %s (%s)", dienst(i), a, over[0].refs, alarms[0].id, alarms[0].refs)
			}
			doubles += len(alarms) - 1
		}
	}
	t.Logf("%d of %d alarms came twice", doubles, 2*kills)
	if list := itemsOf(p.must(token, "GET", "/api/v1/alerts?limit=1000", "", 200)); len(list) != kills {
		t.Errorf("%d alerts for %d outages", len(list), kills)
	}
	for _, m := range mails.find("", "gestört") {
		if m.to != adas[0] && m.to != adas[1] {
			t.Errorf("alarm to %s", m.to)
		}
	}
	holds(t, h, p, token)
}

// told counts the addresses that have taken the alarm for a service, as far as
// the program knows.
func (p *process) told(token string, i int) (n int) {
	p.t.Helper()
	for _, a := range itemsOf(p.must(token, "GET", fmt.Sprintf("/api/v1/alerts?service=d%02d", i), "", 200)) {
		messages, _ := p.must(token, "GET", fmt.Sprintf("/api/v1/alerts/%v", a["id"]), "", 200)["messages"].([]any)
		for _, m := range messages {
			if m, _ := m.(map[string]any); m["kind"] == "alarm" && m["receipt"] == "accepted" {
				n++
			}
		}
	}
	return n
}

func dienst(i int) string { return fmt.Sprintf("Dienst %02d", i) }

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// holds: the chains of the audit log and of every incident's journal are whole,
// the program stops in an orderly way, and the file it leaves is sound.
func holds(t *testing.T, h *house, p *process, admin string) {
	t.Helper()
	if v := p.must(admin, "GET", "/api/v1/audit/verify", "", 200); v["ok"] != true {
		t.Errorf("audit chain: %v", v)
	}
	cookie := h.session(p, bert)
	for _, i := range itemsOf(p.must(admin, "GET", "/api/v1/incidents?limit=1000", "", 200)) {
		status, page, err := fetchAs(t.Context(), cookie, fmt.Sprintf("%s/incident/%v/journal", p.staff, i["id"]))
		if err != nil || status != http.StatusOK || !strings.Contains(page, "Geprüft: nichts wurde verändert.") {
			t.Errorf("journal of %v: %d %v", i["title"], status, err)
		}
	}
	p.endsWell()
	if h.database != "" {
		return
	}
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: filepath.Join(h.data, store.File)}).EscapedPath()+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	var verdict string
	if err := db.QueryRowContext(t.Context(), "PRAGMA integrity_check").Scan(&verdict); err != nil || verdict != "ok" {
		t.Errorf("database file: %q %v", verdict, err)
	}
}

// ownSchema is the address of an empty PostgreSQL schema.
func ownSchema(t *testing.T) string {
	t.Helper()
	address := os.Getenv("TUERMER_TEST_DATABASE")
	if address == "" {
		t.Skip("needs PostgreSQL: set TUERMER_TEST_DATABASE, as script/test does")
	}
	schema := fmt.Sprintf("crash_%d_%d", os.Getpid(), rand.Uint32())
	sqlOnce := func(q string) {
		c, err := pgx.Connect(t.Context(), address)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close(t.Context()) }()
		if _, err := c.Exec(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
	sqlOnce("CREATE SCHEMA " + schema)
	t.Cleanup(func() {
		c, err := pgx.Connect(context.Background(), address)
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = c.Close(context.Background()) }()
		if _, err := c.Exec(context.Background(), "DROP SCHEMA "+schema+" CASCADE"); err != nil {
			t.Error(err)
		}
	})
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set("search_path", schema)
	u.RawQuery = q.Encode()
	return u.String()
}

// The mailing: the ledger's batch (publish.batchSize) is the most that may go out
// twice after a crash.
const (
	ledgerBatch = 200
	lists       = 4 // nobody may hear from us more than six times an hour (I10)
)

// killMailing: statements to so many recipients go out while the program is
// killed again and again, the first time in the middle of the approval (I5 of the
// goals; bench/crash measures it with a kill for each mailing).
func killMailing(t *testing.T, r *built, kills, recipients int, database string) {
	dice := r.dice(t)
	mails, tg := newPost(t), newTargets(t)
	mails.slow = jitter(dice, 20*time.Millisecond, 60*time.Millisecond) // a batch takes about a second
	const most = 12
	var yaml strings.Builder
	yaml.WriteString(townYAML + smtpYAML(mails) + servicesYAML(most, tg.addr, func(int) int { return 3 }) + "audiences:\n")
	for l := range lists {
		fmt.Fprintf(&yaml, "  - {slug: liste%d, kind: citizens, name: Liste %d, recipients: [", l, l)
		for i := range recipients {
			fmt.Fprintf(&yaml, "b%d-%04d@wohnort.example, ", l, i)
		}
		yaml.WriteString("]}\n")
	}
	h := r.house(t, yaml.String())
	h.database = database
	p := h.serve()
	publisher, approver := h.token(ada), h.token(bert)
	restart := func() {
		p.kill()
		p.quiet()
		mails.next()
		p = h.serve()
	}
	// accepted is how far a mailing has come; done says that it is at its end.
	accepted := func(id string) (n float64, done bool) {
		s := p.must(publisher, "GET", "/api/v1/statements/"+id, "", 200)
		d, _ := s["delivery"].(map[string]any)
		n, _ = d["accepted"].(float64)
		return n, s["state"] == "published" && d["waiting"] == 0.0
	}
	var statements []string
	for killed := 0; killed < kills; {
		i := len(statements) + 1
		if i > most {
			t.Fatalf("after %d mailings only %d kills met one: they are too fast for this test", most, killed)
		}
		list := fmt.Sprintf("liste%d", i%lists)
		in := p.must(publisher, "POST", "/api/v1/incidents", fmt.Sprintf(`{"title":"Ausfall %02d","services":["d%02d"],"confirmed":true}`, i, i), 201)
		s := p.must(publisher, "POST", fmt.Sprintf("/api/v1/incidents/%v/statements", in["id"]), fmt.Sprintf(
			`{"kind":"first","facts":{"what_happened":"%s antwortet nicht","severity":"minor","measures":"die Prüfung","impact":null},"audiences":[%q],"languages":["de"]}`, dienst(i), list), 201)
		id, _ := s["id"].(string)
		if s["state"] != "submitted" || s["recipients"] != float64(recipients) {
			t.Fatalf("statement: %v", s)
		}
		statements = append(statements, id)
		after := moment(dice, 300*time.Millisecond)
		dying := time.AfterFunc(after, func() { _ = p.cmd.Process.Kill() })
		status, _, err := p.call(approver, "POST", "/api/v1/statements/"+id+"/approve", "")
		if !dying.Stop() || err != nil {
			restart()
			killed++
			state := p.must(publisher, "GET", "/api/v1/statements/"+id, "", 200)["state"]
			t.Logf("%s: killed %s into the approval (status %d, %v), then it was %v", dienst(i), after, status, err, state)
			if status == http.StatusOK && state != "published" {
				t.Errorf("%s: approved and told so, then lost", dienst(i))
			}
			if state == "submitted" {
				// Words that follow the time of day are read again before they go out.
				if status, _, err := p.call(approver, "POST", "/api/v1/statements/"+id+"/approve", ""); err != nil || status == http.StatusConflict {
					p.must(approver, "POST", "/api/v1/statements/"+id+"/approve", "", 200)
				}
			}
		}
		for killed < kills {
			after := time.Duration(dice.Int64N(int64(1500 * time.Millisecond)))
			pause(t, after)
			n, done := accepted(id)
			if done {
				break
			}
			restart()
			killed++
			t.Logf("%s: killed %s later, with %v accepted and %d mails out", dienst(i), after, n, len(mails.find("", dienst(i))))
		}
	}
	for i, id := range statements {
		within(t, 60*time.Second, "the end of mailing "+dienst(i+1), func() bool { _, done := accepted(id); return done })
	}
	again := map[int]int{} // by life: mails that had to be sent again because it ended
	for i, id := range statements {
		last := map[string]piece{}
		for _, m := range mails.find("", dienst(i+1)) {
			switch before, twice := last[m.to]; {
			case !twice:
			case before.life == m.life:
				t.Errorf("%s: %s got it twice without a crash in between", dienst(i+1), m.to)
			case before.id != m.id || m.id == "":
				t.Errorf("%s: the double for %s has another Message-ID", dienst(i+1), m.to)
			default:
				again[before.life]++
			}
			last[m.to] = m
		}
		var rows []map[string]any
		for after := ""; ; {
			page := itemsOf(p.must(publisher, "GET", "/api/v1/statements/"+id+"/deliveries?limit=1000&after="+after, "", 200))
			if rows = append(rows, page...); len(page) < 1000 {
				break
			}
			after, _ = page[len(page)-1]["id"].(string)
		}
		if len(rows) != recipients || len(last) != recipients {
			t.Errorf("%s: %d in the ledger, %d got it, want %d", dienst(i+1), len(rows), len(last), recipients)
		}
		for _, row := range rows {
			to, _ := row["recipient"].(string)
			if row["state"] != "accepted" || last[to].to == "" {
				t.Errorf("%s: %s is %v (%v), and its last mail is %q", dienst(i+1), to, row["state"], row["reason"], last[to].id)
			}
		}
	}
	for life, n := range again {
		if n > ledgerBatch {
			t.Errorf("because of crash %d, %d mails went out again; a batch is %d", life+1, n, ledgerBatch)
		}
	}
	t.Logf("%d mailings of %d, %d kills; doubles by crash: %v", len(statements), recipients, kills, again)
	holds(t, h, p, h.token(bert))
}
