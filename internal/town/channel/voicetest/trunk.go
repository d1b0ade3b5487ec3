package voicetest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Trunk is Kamailio, Debian's SIP server, as a provider runs it: it asks who signs in
// for the password, keeps sign-ins for as long as it likes, takes calls by UDP or TLS
// from nobody else, and puts them through to one telephone.
type Trunk struct {
	UDP, TLS string // host:port
	CA       string // PEM of the authority that its certificate is from

	path string // of the program
	dir  string
	out  *Output
	stop func()
}

// User and Password are the account at every [Trunk].
const (
	User     = "4961100"
	Password = "geheim-1"
)

// Settings of a trunk.
type Settings struct {
	Phone    string        // host:port to which calls go
	Longest  time.Duration // of a sign-in
	CertName string        // whom its certificate names; empty: 127.0.0.1
}

const trunkConfig = `#!KAMAILIO
debug=1
log_stderror=yes
children=2
tcp_children=2
enable_tls=yes
listen=udp:UDP
listen=tls:TLS
mpath="MODULES"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "siputils.so"
loadmodule "textops.so"
loadmodule "xlog.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "auth.so"
loadmodule "tls.so"
modparam("tls", "config", "DIR/tls.cfg")
modparam("usrloc", "timer_interval", 1)
modparam("registrar", "default_expires", LONGEST)
modparam("registrar", "max_expires", LONGEST)
modparam("registrar", "min_expires", 1)
request_route {
	if (is_method("REGISTER")) {
		if (!pv_www_authenticate("town", "PASSWORD", "0") || $au != "USER") {
			xlog("L_NOTICE", "ASKED $fU\n");
			www_challenge("town", "1");
			exit;
		}
		xlog("L_NOTICE", "SIGNED $proto expires=$hdr(Expires)\n");
		save("location");
		exit;
	}
	if (has_totag()) {
		if (loose_route() || is_method("ACK")) t_relay();
		else sl_send_reply("404", "Not Here");
		exit;
	}
	if (is_method("CANCEL")) {
		if (t_check_trans()) t_relay();
		exit;
	}
	if (is_method("OPTIONS")) {
		sl_send_reply("200", "OK");
		exit;
	}
	if (is_method("INVITE")) {
		if (!registered("location", "$fu")) {
			xlog("L_NOTICE", "STRANGER $fu\n");
			sl_send_reply("403", "Forbidden");
			exit;
		}
		xlog("L_NOTICE", "CALL $proto\n");
		record_route();
		$du = "sip:PHONE";
		t_relay();
		exit;
	}
	sl_send_reply("405", "Method Not Allowed");
}
`

// OpenTrunk starts one; where Kamailio is missing the test is skipped.
func OpenTrunk(t *testing.T, s Settings) *Trunk {
	t.Helper()
	path, err := exec.LookPath("kamailio")
	if err != nil {
		path, err = exec.LookPath("/usr/sbin/kamailio")
	}
	if err != nil {
		t.Skip("kamailio is missing: script/setup voice installs it")
	}
	modules, err := filepath.Glob("/usr/lib/*/kamailio/modules/tls.so")
	if err != nil || len(modules) == 0 {
		t.Skip("Kamailio's TLS is missing: script/setup voice installs it")
	}
	udp, _ := OwnPorts(t)
	tlsAt, _ := OwnPorts(t)
	k := &Trunk{UDP: fmt.Sprintf("127.0.0.1:%d", udp), TLS: fmt.Sprintf("127.0.0.1:%d", tlsAt), dir: t.TempDir(), path: path}
	name := s.CertName
	if name == "" {
		name = "127.0.0.1"
	}
	files := k.certificate(t, name)
	files["tls.cfg"] = strings.ReplaceAll("[server:default]\nmethod = TLSv1.2+\nverify_certificate = no\nrequire_certificate = no\nprivate_key = DIR/key.pem\ncertificate = DIR/cert.pem\n", "DIR", k.dir)
	files["kamailio.cfg"] = strings.NewReplacer(
		"udp:UDP", "udp:"+k.UDP, "tls:TLS", "tls:"+k.TLS, "MODULES", filepath.Dir(modules[0])+"/", "DIR", k.dir, "PHONE", s.Phone,
		"LONGEST", fmt.Sprint(int(s.Longest.Seconds())), "PASSWORD", Password, "USER", User,
	).Replace(trunkConfig)
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(k.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	k.Up(t)
	return k
}

// Up starts it, again after Close.
func (k *Trunk) Up(t *testing.T) {
	t.Helper()
	k.out, k.stop = program(t, func(string) bool {
		c, err := net.DialTimeout("tcp", k.TLS, time.Second)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	}, k.path, "-DD", "-E", "-f", filepath.Join(k.dir, "kamailio.cfg"), "-m", "32", "-M", "8", "-Y", k.dir, "-P", filepath.Join(k.dir, "pid"))
}

// Close ends it, and with it all sign-ins.
func (k *Trunk) Close() { k.stop() }

// Count is how often it has said something since it was started last: ASKED for a
// password, SIGNED somebody in, put through a CALL, refused a STRANGER.
func (k *Trunk) Count(words string) int { return strings.Count(k.out.String(), words) }

// certificate is one for a name, with its authority.
func (k *Trunk) certificate(t *testing.T, name string) map[string]string {
	t.Helper()
	made := func(template, parent *x509.Certificate, pub *ecdsa.PublicKey, by *ecdsa.PrivateKey) string {
		der, err := x509.CreateCertificate(rand.Reader, template, parent, pub, by)
		if err != nil {
			t.Fatal(err)
		}
		return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	}
	key := func() *ecdsa.PrivateKey {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	from, until := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2120, 1, 1, 0, 0, 0, 0, time.UTC)
	root := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Testtrunk CA"}, NotBefore: from, NotAfter: until,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, NotBefore: from, NotAfter: until,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if ip := net.ParseIP(name); ip != nil {
		leaf.IPAddresses = []net.IP{ip}
	} else {
		leaf.DNSNames = []string{name}
	}
	rootKey, leafKey := key(), key()
	k.CA = made(root, root, &rootKey.PublicKey, rootKey)
	der, err := x509.MarshalPKCS8PrivateKey(leafKey)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]string{
		"cert.pem": made(leaf, root, &leafKey.PublicKey, rootKey),
		"key.pem":  string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
	}
}
