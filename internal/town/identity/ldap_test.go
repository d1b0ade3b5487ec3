package identity_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/town/identity"
)

// certificate is one for this machine, with itself as authority.
func certificate(t *testing.T) (cert, key []byte) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Musterstadt"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err1 := x509.CreateCertificate(rand.Reader, c, c, &k.PublicKey, k)
	raw, err2 := x509.MarshalPKCS8PrivateKey(k)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw})
}

// slapd is a real OpenLDAP server with the town's people.
type slapd struct {
	t    *testing.T
	port int
	ca   []byte
}

const rootDN = "cn=tuermer,dc=musterstadt"

func newSlapd(t *testing.T, ldif string) *slapd {
	t.Helper()
	path := "/usr/sbin/slapd"
	if p, err := exec.LookPath("slapd"); err == nil {
		path = p
	} else if _, err := os.Stat(path); err != nil {
		t.Skip("slapd is not installed (script/setup directory)")
	}
	dir := t.TempDir()
	s := &slapd{t: t}
	cert, key := certificate(t)
	s.ca = cert
	write := func(name, text string) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return p
	}
	conf := write("slapd.conf", strings.Join([]string{
		"include /etc/ldap/schema/core.schema", "include /etc/ldap/schema/cosine.schema", "include /etc/ldap/schema/inetorgperson.schema",
		"modulepath /usr/lib/ldap", "moduleload back_mdb", "pidfile " + dir + "/pid",
		"TLSCertificateFile " + write("cert.pem", string(cert)), "TLSCertificateKeyFile " + write("key.pem", string(key)),
		"security ssf=1", // nothing in clear
		"database mdb", "suffix dc=musterstadt", "rootdn " + rootDN, "rootpw geheim", "directory " + dir, "maxsize 16777216",
		`limits dn.exact="uid=klein,ou=Leute,dc=musterstadt" size.soft=2 size.hard=2 size.prtotal=2`,
		"access to * by users read by anonymous auth", "",
	}, "\n"))
	add := exec.Command(path, "-T", "add", "-f", conf, "-l", write("people.ldif", ldif))
	if out, err := add.CombinedOutput(); err != nil {
		t.Fatalf("slapadd: %v: %s", err, out)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.port = l.Addr().(*net.TCPAddr).Port
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "-f", conf, "-h", fmt.Sprintf("ldap://127.0.0.1:%d/", s.port), "-d", "0")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { _ = cmd.Wait(); close(done) }()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-done:
		case <-time.After(5 * time.Second):
			_ = cmd.Process.Kill()
			<-done
		}
	})
	return s
}

func (s *slapd) directory() identity.LDAP {
	return identity.LDAP{
		URL: fmt.Sprintf("ldap://127.0.0.1:%d", s.port), CA: s.ca, BindDN: rootDN, Password: "geheim",
		Base: "ou=Leute,dc=musterstadt", Filter: "(objectClass=inetOrgPerson)",
		ID: "entryUUID", Name: "cn", Mail: "mail", Mobile: "mobile", Chat: "labeledURI", OrgUnit: "ou", MaxGone: 2,
		Groups: []identity.LDAPGroup{{DN: "cn=edv,ou=Gruppen,dc=musterstadt", Role: identity.RoleIT}, {DN: "cn=presse,ou=Gruppen,dc=musterstadt", Role: identity.RolePublisher}},
	}
}

// answering waits until the server takes connections.
func answering(t *testing.T, h *house) {
	t.Helper()
	var err error
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if err = h.CheckDirectory(h.ctx); fault.As(err).Key != "identity.directory_connect" || err == nil {
			return
		}
	}
	t.Fatal(err)
}

func townLDIF(people int) string {
	var b strings.Builder
	b.WriteString("dn: dc=musterstadt\nobjectClass: dcObject\nobjectClass: organization\no: Musterstadt\ndc: musterstadt\n\n" +
		"dn: ou=Leute,dc=musterstadt\nobjectClass: organizationalUnit\nou: Leute\n\ndn: ou=Gruppen,dc=musterstadt\nobjectClass: organizationalUnit\nou: Gruppen\n\n")
	for i := range people {
		fmt.Fprintf(&b, "dn: uid=p%d,ou=Leute,dc=musterstadt\nobjectClass: inetOrgPerson\nuid: p%d\ncn: Person %04d\nsn: Person\nmail: P%d@Musterstadt.example\nou: Amt %d\n\n", i, i, i, i, i%7)
	}
	b.WriteString("dn: uid=ada,ou=Leute,dc=musterstadt\nobjectClass: inetOrgPerson\nuid: ada\ncn: Ada Beispiel\nsn: Beispiel\nmail: ada@musterstadt.example\nmobile: 0170 000001\nlabeledURI: signal:+49170000001\nou: Amt 10\n\n" +
		"dn: uid=bert,ou=Leute,dc=musterstadt\nobjectClass: inetOrgPerson\nuid: bert\ncn:: QmVydCBLw7ZuaWc=\nsn: K\nmail: bert@musterstadt.example\n\n" +
		"dn: uid=stumm,ou=Leute,dc=musterstadt\nobjectClass: inetOrgPerson\nuid: stumm\ncn: Ohne Post\nsn: Post\n\n" +
		"dn: uid=klein,ou=Leute,dc=musterstadt\nobjectClass: person\nobjectClass: uidObject\nuid: klein\ncn: Konto\nsn: K\nuserPassword: klein\n\n" +
		// edv contains netz, netz contains ada and, in a circle, edv again.
		"dn: cn=netz,ou=Gruppen,dc=musterstadt\nobjectClass: groupOfNames\ncn: netz\nmember: UID=Ada, ou=leute,dc=Musterstadt\nmember: cn=edv,ou=Gruppen,dc=musterstadt\n\n" +
		"dn: cn=edv,ou=Gruppen,dc=musterstadt\nobjectClass: groupOfNames\ncn: edv\nmember: cn=netz,ou=Gruppen,dc=musterstadt\nmember: uid=weg,ou=Leute,dc=musterstadt\n\n" +
		"dn: cn=presse,ou=Gruppen,dc=musterstadt\nobjectClass: groupOfUniqueNames\ncn: presse\nuniqueMember: uid=bert,ou=Leute,dc=musterstadt\n")
	return b.String()
}

// A real OpenLDAP: pages, groups in groups in a circle, STARTTLS, and every way in
// which it does not give everything, none of which changes anybody.
func TestDirectoryOfOpenLDAP(t *testing.T) {
	s := newSlapd(t, townLDIF(603))
	each(t, func(t *testing.T, h *house) {
		l := s.directory()
		h.Room = newHouse(t, h.w, func(o *identity.Options) {
			o.Clock = h
			o.Directory = func(context.Context) (identity.LDAP, bool) { return l, true }
		}).Room
		answering(t, h)
		boss := h.add(t, identity.Person{Name: "Chefin", Email: "chefin@t1.example", Roles: []identity.Role{identity.RoleAdmin}})

		c, err := h.Preview(h.ctx)
		if err != nil || c.Found != 606 || c.Count(identity.MoveNew) != 605 || c.Count(identity.MoveRefuse) != 1 || c.TooMany {
			t.Fatalf("found %d, new %d, refused %d, %v", c.Found, c.Count(identity.MoveNew), c.Count(identity.MoveRefuse), err)
		}
		if n, _ := h.Count(h.ctx, identity.Filter{}); n != 1 {
			t.Fatalf("looking made %d people", n)
		}
		if _, err := h.SyncPeople(h.ctx, ""); err != nil {
			t.Fatal(err)
		}
		ada, err := h.PersonByEmail(h.ctx, "ada@musterstadt.example")
		if err != nil || !slices.Equal(ada.Roles, []identity.Role{identity.RoleIT}) || ada.Mobile != "+49170000001" || ada.Chat != "signal:+49170000001" || ada.OrgUnit != "Amt 10" || ada.Origin == "" {
			t.Errorf("%+v %v", ada, err)
		}
		bert, err := h.PersonByEmail(h.ctx, "bert@musterstadt.example")
		if err != nil || bert.Name != "Bert König" || !slices.Equal(bert.Roles, []identity.Role{identity.RolePublisher}) {
			t.Errorf("%+v %v", bert, err)
		}
		// I13: the configuration's word lets her in; that an address is missing is named.
		if found, err := h.Findings(h.ctx); err != nil || len(found) == 0 || found[0].Cause != identity.CauseMissing {
			t.Errorf("%v %v", found, err)
		}
		if c, err = h.SyncPeople(h.ctx, ""); err != nil || c.Same != 605 || len(c.Lines) != 1 {
			t.Errorf("once more: same %d, lines %d, %v", c.Same, len(c.Lines), err)
		}

		whole := l
		for key, bend := range map[string]func(){
			"bind":    func() { l.Password = "falsch" },
			"tls":     func() { l.CA = nil },
			"base":    func() { l.Base = "ou=Nichts,dc=musterstadt" },
			"size":    func() { l.BindDN, l.Password = "uid=klein,ou=Leute,dc=musterstadt", "klein" },
			"connect": func() { l.URL = "ldap://127.0.0.1:1" },
			"ca":      func() { l.CA = []byte("x") },
		} {
			l = whole
			bend()
			if _, err := h.SyncPeople(h.ctx, ""); fault.As(err).Key != "identity.directory_"+key {
				t.Errorf("%s: %v", key, err)
			}
			if n, _ := h.Count(h.ctx, identity.Filter{Active: true}); n != 606 {
				t.Errorf("%s: %d people are left", key, n)
			}
			if last, err := h.LastRoll(h.ctx); err != nil || last.State != identity.RollFailed || h.RollNote(h.ctx) == "" {
				t.Errorf("%s: %+v %v", key, last, err)
			}
		}

		// Many vanish: nobody rests unasked, and only those who were shown.
		l = whole
		l.Filter = "(|(uid=p1)(uid=p2)(uid=p3))"
		c, err = h.SyncPeople(h.ctx, "")
		if err != nil || !c.TooMany || c.Count(identity.MoveRest) != 602 {
			t.Fatalf("gone %d, too many %v, %v", c.Count(identity.MoveRest), c.TooMany, err)
		}
		if n, _ := h.Count(h.ctx, identity.Filter{Active: true}); n != 606 {
			t.Fatalf("%d people are left", n)
		}
		old := c.Mark
		l.Filter = "(|(uid=p1)(uid=p2))"
		if _, err := h.SyncPeople(h.ctx, old); fault.KindOf(err) != fault.Conflict {
			t.Errorf("confirmed others than were shown: %v", err)
		}
		if c, err = h.Preview(h.ctx); err != nil {
			t.Fatal(err)
		}
		if _, err := h.SyncPeople(h.ctx, c.Mark); err != nil {
			t.Fatal(err)
		}
		if n, _ := h.Count(h.ctx, identity.Filter{Active: true}); n != 3 { // p1, p2 and the boss
			t.Errorf("%d are left", n)
		}
		if p, err := h.Person(h.ctx, boss.ID); err != nil || p.Blocked {
			t.Errorf("the boss: %+v %v", p, err)
		}
		// They come back, and whom a person blocked stays blocked.
		l = whole
		if _, err := h.SyncPeople(h.ctx, ""); err != nil {
			t.Fatal(err)
		}
		back, err := h.Person(h.ctx, ada.ID)
		if err != nil || back.Blocked || back.Gone {
			t.Errorf("back: %+v %v", back, err)
		}
		back.Blocked = true
		if _, err := h.SavePerson(h.ctx, back); err != nil {
			t.Fatal(err)
		}
		if _, err := h.SyncPeople(h.ctx, ""); err != nil {
			t.Fatal(err)
		}
		if p, _ := h.Person(h.ctx, ada.ID); !p.Blocked {
			t.Error("a person's block was lifted")
		}
	})
}

// A server that hangs after the handshake, or hangs up in the middle, costs its
// time and changes nothing.
func TestDirectoryThatHangs(t *testing.T) {
	cert, key := certificate(t)
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		serve func(net.Conn)
		want  string
	}{
		"hangs": {func(c net.Conn) { _, _ = c.Read(make([]byte, 4096)); select {} }, "timeout"},
		"cuts":  {func(c net.Conn) { _, _ = c.Read(make([]byte, 4096)); _ = c.Close() }, "cut"},
		"lies":  {func(c net.Conn) { _, _ = c.Write([]byte("HTTP/1.1 400\r\n\r\n")); _ = c.Close() }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			go func() {
				for {
					raw, err := l.Accept()
					if err != nil {
						return
					}
					go func() {
						s := tls.Server(raw, &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12})
						if s.Handshake() == nil {
							c.serve(s)
						}
					}()
				}
			}()
			h := newHouse(t, storetest.SQLite(t, rooms...), func(o *identity.Options) {
				o.Directory = func(context.Context) (identity.LDAP, bool) {
					return identity.LDAP{URL: "ldaps://" + l.Addr().String(), CA: cert, BindDN: "cn=x", Password: "y", Base: "dc=x", Filter: "(cn=*)", ID: "uid", Name: "cn", Mail: "mail"}, true
				}
			})
			ctx, cancel := context.WithTimeout(h.ctx, time.Second)
			defer cancel()
			if _, err := h.SyncPeople(ctx, ""); err == nil {
				t.Error("it was taken for an answer")
			} else if key := fault.As(err).Key; c.want != "" && key != "identity.directory_"+c.want {
				t.Errorf("%s: %v", key, err)
			}
		})
	}
}

// The nightly run, by the town's own clock, over a night with a change of time.
func TestRollDue(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	at := func(s string) time.Time {
		v, err := time.ParseInLocation("2006-01-02 15:04", s, zone)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for last, want := range map[string]string{
		"2026-11-22 14:00": "2026-11-23 03:15", "2026-11-23 03:15": "2026-11-24 03:15", "2026-11-23 01:00": "2026-11-23 03:15",
		"2026-10-24 12:00": "2026-10-25 03:15", "2027-03-27 12:00": "2027-03-28 03:15",
	} {
		if got := identity.RollDue(identity.Roll{State: identity.RollDone, At: at(last)}, at(last), zone); !got.Equal(at(want)) {
			t.Errorf("after %s: %s, want %s", last, got, want)
		}
	}
	failed := at("2026-11-22 14:00")
	if got := identity.RollDue(identity.Roll{State: identity.RollFailed, At: failed}, failed, zone); !got.Equal(failed.Add(time.Hour)) {
		t.Errorf("after a failure: %s", got)
	}
}
