package monitor

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The probes against servers that others wrote, as Debian ships them. Each is
// started on loopback for its test alone; where one is missing the test says
// so and script/setup peers installs it.

// peer starts a program that serves a port; it is gone with the test. It runs
// in the foreground, so that its own process is the one to end.
func peer(t *testing.T, program string, args ...string) {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		for _, dir := range []string{"/usr/sbin/", "/sbin/", "/usr/lib/postfix/sbin/"} {
			if _, serr := os.Stat(dir + program); serr == nil {
				path, err = dir+program, nil
			}
		}
	}
	if err != nil {
		t.Skipf("%s is not installed (script/setup peers)", program)
	}
	cmd := exec.Command(path, args...)
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Start(); err != nil {
		t.Skipf("%s does not start here: %v", program, err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		done := make(chan struct{})
		go func() { _ = cmd.Wait(); close(done) }() // how it ends is its own affair
		select {
		case <-done:
		case <-time.After(5 * time.Second):
			_ = cmd.Process.Kill()
			<-done
		}
		if t.Failed() {
			t.Logf("%s said: %.2000s", program, said.String())
		}
	})
}

// freePort is a port of loopback that nobody has.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// eventually looks until the peer is up, and then wants the reason.
func eventually(t *testing.T, o Options, s Spec, want Reason) Result {
	t.Helper()
	var r Result
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if s.Timeout == 0 {
			s.Timeout = Duration(5 * time.Second)
		}
		if r = look(t, o, s); r.Reason == want || r.Reason != ReasonRefused && r.Reason != ReasonTimeout && r.Reason != ReasonReset {
			break
		}
	}
	if r.Reason != want {
		t.Errorf("%s %+v: %s %d %q, want %s", s.Kind, s.Target(), r.Reason, r.Code, r.Detail, want)
	}
	return r
}

// file writes a file for a peer that may run as another user.
func file(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestPeerDNS(t *testing.T) {
	port := freePort(t)
	peer(t, "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--pid-file=", "--port="+strconv.Itoa(port), "--listen-address=127.0.0.1", "--bind-interfaces",
		"--no-resolv", "--no-hosts", "--user=", "--address=/www.musterstadt.example/192.0.2.7", "--mx-host=musterstadt.example,mail.musterstadt.example,10",
		"--txt-record=musterstadt.example,v=spf1 -all", "--ptr-record=7.2.0.192.in-addr.arpa,www.musterstadt.example", "--local=/musterstadt.example/")
	server := "127.0.0.1:" + strconv.Itoa(port)
	ask := func(name, typ string, e Expect) Spec {
		return Spec{Kind: DNS, Host: name, DNS: DNSSpec{Server: server, Type: typ}, Expect: e}
	}
	eventually(t, Options{}, ask("www.musterstadt.example", "A", Expect{Records: []string{"192.0.2.7"}}), ReasonOK)
	eventually(t, Options{}, ask("musterstadt.example", "MX", Expect{Records: []string{"10 mail.musterstadt.example"}}), ReasonOK)
	eventually(t, Options{}, ask("musterstadt.example", "TXT", Expect{Records: []string{"v=spf1 -all"}}), ReasonOK)
	eventually(t, Options{}, ask("192.0.2.7", "PTR", Expect{Records: []string{"www.musterstadt.example."}}), ReasonOK)
	eventually(t, Options{}, ask("www.musterstadt.example", "A", Expect{Records: []string{"192.0.2.8"}}), ReasonBody)
	eventually(t, Options{}, ask("fehlt.musterstadt.example", "A", Expect{}), ReasonStatus)
	eventually(t, Options{}, ask("fehlt.musterstadt.example", "A", Expect{RCode: "NXDOMAIN"}), ReasonOK)
	tcp := ask("www.musterstadt.example", "A", Expect{})
	tcp.DNS.TCP = true
	eventually(t, Options{}, tcp, ReasonOK)
	sec := ask("www.musterstadt.example", "A", Expect{})
	sec.DNS.DNSSEC = true
	eventually(t, Options{}, sec, ReasonStatus) // dnsmasq has verified nothing, and says so
}

func TestPeerSNMP(t *testing.T) {
	dir := t.TempDir()
	port := freePort(t)
	conf := file(t, dir, "snmpd.conf", "rocommunity rathaus 127.0.0.1\nsysName usv-rathaus\nsysLocation Keller\n")
	t.Setenv("SNMP_PERSISTENT_DIR", dir)
	peer(t, "snmpd", "-f", "-Lo", "-C", "-c", conf, "-p", filepath.Join(dir, "pid"), fmt.Sprintf("udp:127.0.0.1:%d", port))
	at := Spec{Kind: SNMP, Host: "127.0.0.1", Port: port, SNMP: SNMPSpec{Community: "rathaus"}, Timeout: Duration(time.Second)}
	eventually(t, Options{}, at, ReasonOK)
	at.SNMP.OID, at.Expect.Body = "1.3.6.1.2.1.1.5.0", "usv-rathaus"
	eventually(t, Options{}, at, ReasonOK)
	at.Expect.Body = "drucker"
	eventually(t, Options{}, at, ReasonBody)
	at.SNMP.OID = "1.3.6.1.2.1.1.99.0"
	eventually(t, Options{}, at, ReasonBody)
	at.SNMP.Community, at.Timeout = "falsch", Duration(300*time.Millisecond)
	if r := look(t, Options{}, at); r.Reason != ReasonTimeout { // a device does not answer strangers
		t.Errorf("%+v", r)
	}
}

func TestPeerLDAP(t *testing.T) {
	dir := t.TempDir()
	port := freePort(t)
	pair, certPEM := selfSigned(t, "ldap.example")
	cert, key := file(t, dir, "cert.pem", certPEM), file(t, dir, "key.pem", keyPEM(t, pair))
	conf := file(t, dir, "slapd.conf", "include /etc/ldap/schema/core.schema\nmodulepath /usr/lib/ldap\nmoduleload back_mdb\npidfile "+dir+"/pid\n"+
		"TLSCertificateFile "+cert+"\nTLSCertificateKeyFile "+key+"\n"+
		"database mdb\nsuffix dc=musterstadt\nrootdn cn=tuermer,dc=musterstadt\nrootpw geheim\ndirectory "+dir+"\n")
	peer(t, "slapd", "-f", conf, "-h", fmt.Sprintf("ldap://127.0.0.1:%d/", port), "-d", "0")
	at := Spec{Kind: LDAP, Host: "127.0.0.1", Port: port}
	eventually(t, Options{}, at, ReasonOK)
	at.Username, at.Password = "cn=tuermer,dc=musterstadt", "geheim"
	eventually(t, Options{}, at, ReasonOK)
	at.TLS = TLSSpec{Mode: "starttls", CA: certPEM}
	if r := eventually(t, Options{}, at, ReasonOK); r.CertExpires.IsZero() {
		t.Error("no certificate behind STARTTLS")
	}
	at.TLS.CA = ""
	eventually(t, Options{}, at, ReasonTLS)
	at.TLS, at.Password = TLSSpec{}, "falsch"
	eventually(t, Options{}, at, ReasonLogin)
}

func TestPeerIMAP(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("dovecot starts as root alone")
	}
	dir, err := os.MkdirTemp("/tmp", "tuermer-dovecot") // its users must get in
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	port := freePort(t)
	pair, certPEM := selfSigned(t, "mail.example")
	cert, key := file(t, dir, "cert.pem", certPEM), file(t, dir, "key.pem", keyPEM(t, pair))
	conf := file(t, dir, "dovecot.conf", "protocols = imap\nlisten = 127.0.0.1\nbase_dir = "+dir+"/run\nlog_path = /dev/stderr\nssl = yes\n"+
		"ssl_cert = <"+cert+"\nssl_key = <"+key+"\ndisable_plaintext_auth = no\nmail_location = maildir:"+dir+"/mail/%u\n"+
		"passdb {\n  driver = static\n  args = password=geheim\n}\nuserdb {\n  driver = static\n  args = uid=65534 gid=65534 home="+dir+"/home\n}\n"+
		"service imap-login {\n  inet_listener imap {\n    port = "+strconv.Itoa(port)+"\n  }\n  inet_listener imaps {\n    port = 0\n  }\n}\n")
	if out, err := exec.Command("dovecot", "--version").Output(); err == nil && !strings.HasPrefix(string(out), "2.3") {
		t.Skipf("this configuration is for dovecot 2.3, here is %s", out)
	}
	peer(t, "dovecot", "-F", "-c", conf)
	at := Spec{Kind: IMAP, Host: "127.0.0.1", Port: port, TLS: TLSSpec{Mode: "none"}}
	eventually(t, Options{}, at, ReasonOK)
	at.TLS = TLSSpec{Mode: "starttls", CA: certPEM}
	at.Username, at.Password = "ada", "geheim"
	if r := eventually(t, Options{}, at, ReasonOK); r.CertExpires.IsZero() {
		t.Error("no certificate behind STARTTLS")
	}
	at.Password = "falsch"
	eventually(t, Options{}, at, ReasonLogin)
	eventually(t, Options{}, Spec{Kind: TLS, Host: "127.0.0.1", Port: port, TLS: TLSSpec{Mode: "imap", CA: certPEM, ServerName: "mail.example"}}, ReasonOK)
	eventually(t, Options{}, Spec{Kind: TLS, Host: "127.0.0.1", Port: port, TLS: TLSSpec{Mode: "imap", CA: certPEM, ServerName: "anders.example"}}, ReasonTLS)
}

func TestPeerSMTP(t *testing.T) {
	port := freePort(t)
	args := []string{"-h", "mail.musterstadt.example", fmt.Sprintf("127.0.0.1:%d", port), "10"}
	if os.Getuid() == 0 {
		args = append([]string{"-u", "nobody"}, args...)
	}
	peer(t, "smtp-sink", args...)
	at := Spec{Kind: SMTP, Host: "127.0.0.1", Port: port, TLS: TLSSpec{Mode: "none"}, Expect: Expect{Body: "mail.musterstadt.example"}}
	eventually(t, Options{}, at, ReasonOK)
	at.Expect.Body = "anders"
	eventually(t, Options{}, at, ReasonBody)
	at.Expect.Body, at.TLS.Mode = "", "starttls"
	eventually(t, Options{}, at, ReasonTLS) // smtp-sink knows no STARTTLS
}

func TestPeerSIP(t *testing.T) {
	dir := t.TempDir()
	port := freePort(t)
	answer := func(line string) string {
		return `<?xml version="1.0" encoding="ISO-8859-1" ?><scenario name="t"><recv request="OPTIONS"/><send><![CDATA[

SIP/2.0 ` + line + `
[last_Via:]
[last_From:]
[last_To:];tag=[call_number]
[last_Call-ID:]
[last_CSeq:]
Content-Length: 0

]]></send></scenario>`
	}
	for i, c := range []struct {
		line string
		want Reason
		code int
	}{{"200 OK", ReasonOK, 200}, {"401 Unauthorized", ReasonOK, 401}, {"503 Service Unavailable", ReasonStatus, 503}} {
		t.Run(c.line[:3], func(t *testing.T) {
			sf := file(t, dir, fmt.Sprint(i, ".xml"), answer(c.line))
			at := strconv.Itoa(port + i)
			peer(t, "sipp", "-sf", sf, "-i", "127.0.0.1", "-p", at, "-nostdin", "-t", "u1", "-m", "100", "-cp", strconv.Itoa(freePort(t)))
			if r := eventually(t, Options{}, Spec{Kind: SIP, Host: "127.0.0.1", Port: port + i}, c.want); r.Code != c.code {
				t.Errorf("code %d", r.Code)
			}
		})
	}
}

func TestPeerPostgres(t *testing.T) {
	raw := os.Getenv("TUERMER_TEST_DATABASE")
	if raw == "" {
		t.Skip("script/postgres run -- … gives one")
	}
	u, err := url.Parse(raw)
	if err != nil || u.Hostname() == "" {
		t.Skipf("the database is not on a port: %v", err)
	}
	port := 5432
	if p, err := strconv.Atoi(u.Port()); err == nil {
		port = p
	}
	eventually(t, Options{}, Spec{Kind: Postgres, Host: u.Hostname(), Port: port}, ReasonOK)
	// The same server is no MySQL and no SQL Server.
	for _, k := range []Kind{MySQL, MSSQL} {
		s := Spec{Kind: k, Host: u.Hostname(), Port: port, Timeout: Duration(time.Second)}
		if r := look(t, Options{}, s); r.OK {
			t.Errorf("%s takes PostgreSQL for its own: %+v", k, r)
		}
	}
}
