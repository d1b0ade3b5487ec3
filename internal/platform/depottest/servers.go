// Package depottest starts the servers on which what package depot does is tried:
// Debian's own (script/setup), OpenSSH with its SFTP server and nginx with WebDAV.
// Each runs on loopback out of a folder of its own and ends with the test.
package depottest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/depot"
)

// Tool finds a program; without it the test is left out, but not in CI.
func Tool(t *testing.T, names ...string) string {
	t.Helper()
	for _, n := range names {
		if _, err := os.Stat(n); err == nil {
			return n
		}
	}
	if os.Getenv("CI") != "" {
		t.Fatalf("%v is missing: run script/setup", names)
	}
	t.Skipf("%v is missing: run script/setup", names)
	return ""
}

// FreePort is a port that nobody listens on.
func FreePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// Run starts a server and ends it with the test; it is up when it takes
// connections.
func Run(t *testing.T, port int, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(name, args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
		<-ended
	})
	for {
		c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			_ = c.Close()
			return
		}
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("%s ended: %v\n%s", name, err, out.String())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// SSHD is an OpenSSH server into whose folder a key opens the door. It returns
// the place that leads there.
func SSHD(t *testing.T) (depot.Place, string) {
	t.Helper()
	bin := Tool(t, "/usr/sbin/sshd")
	server := Tool(t, "/usr/lib/openssh/sftp-server")
	dir, port := t.TempDir(), FreePort(t)
	hostKey, pin := SSHKey(t)
	mine, public := SSHKey(t)
	Write(t, filepath.Join(dir, "host"), hostKey)
	Write(t, filepath.Join(dir, "keys"), []byte(public+"\n"))
	conf := fmt.Sprintf("Port %d\nListenAddress 127.0.0.1\nHostKey %s/host\nAuthorizedKeysFile %s/keys\nStrictModes no\nUsePAM no\n"+
		"PasswordAuthentication no\nPidFile none\nSubsystem sftp %s\n", port, dir, dir, server)
	Write(t, filepath.Join(dir, "conf"), []byte(conf))
	if os.Geteuid() == 0 {
		_ = os.MkdirAll("/run/sshd", 0o755) // where it locks itself in
	}
	Run(t, port, bin, "-D", "-e", "-f", filepath.Join(dir, "conf"))
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	site := filepath.Join(dir, "site")
	if err := os.Mkdir(site, 0o755); err != nil {
		t.Fatal(err)
	}
	return depot.Place{
		Kind: depot.SFTP, Address: fmt.Sprintf("sftp://127.0.0.1:%d%s", port, site), Username: me.Username,
		PrivateKey: mine, HostKey: pin,
	}, site
}

// Write makes a file for the test.
func Write(t *testing.T, name string, body []byte) {
	t.Helper()
	if err := os.WriteFile(name, body, 0o600); err != nil {
		t.Fatal(err)
	}
}

// SSHKey is a fresh key: private in OpenSSH's form, public as a line.
func SSHKey(t *testing.T) (private []byte, public string) {
	t.Helper()
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		t.Fatal(err)
	}
	line, err := ssh.NewPublicKey(pub)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(block), string(bytes.TrimSpace(ssh.MarshalAuthorizedKey(line)))
}

// Nginx is a web server that takes WebDAV over TLS with a password, and hands
// the same folder out. It returns the place that leads there.
func Nginx(t *testing.T) (depot.Place, string) {
	t.Helper()
	bin := Tool(t, "/usr/sbin/nginx")
	module := Tool(t, "/usr/lib/nginx/modules/ngx_http_dav_ext_module.so")
	dir, port := t.TempDir(), FreePort(t)
	site := filepath.Join(dir, "site")
	for _, d := range []string{site, filepath.Join(dir, "tmp")} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	cert, key := Certificate(t)
	Write(t, filepath.Join(dir, "cert.pem"), cert)
	Write(t, filepath.Join(dir, "key.pem"), key)
	Write(t, filepath.Join(dir, "users"), []byte("tuermer:{PLAIN}geheim\n"))
	who := ""
	if os.Geteuid() == 0 {
		who = "user root;\n"
	}
	Write(t, filepath.Join(dir, "conf"), []byte(fmt.Sprintf(`load_module %[2]s;
%[4]sdaemon off; master_process off; pid %[1]s/pid; error_log stderr warn;
events { worker_connections 32; }
http {
  access_log off; client_body_temp_path %[1]s/tmp; proxy_temp_path %[1]s/tmp; fastcgi_temp_path %[1]s/tmp; uwsgi_temp_path %[1]s/tmp; scgi_temp_path %[1]s/tmp;
  server {
    client_max_body_size 0; listen 127.0.0.1:%[3]d ssl; ssl_certificate %[1]s/cert.pem; ssl_certificate_key %[1]s/key.pem;
    root %[1]s/site;
    location / { }
    location /dav/ {
      alias %[1]s/site/; auth_basic x; auth_basic_user_file %[1]s/users;
      dav_methods PUT DELETE MKCOL MOVE; dav_ext_methods PROPFIND OPTIONS;
    }
  }
}
`, dir, module, port, who)))
	Run(t, port, bin, "-c", filepath.Join(dir, "conf"), "-p", dir, "-e", "stderr")
	return depot.Place{
		Kind: depot.WebDAV, Address: fmt.Sprintf("https://127.0.0.1:%d/dav", port), Username: "tuermer", Password: "geheim", CA: cert,
	}, site
}

// Certificate is one for 127.0.0.1, signed by itself.
func Certificate(t *testing.T) (cert, key []byte) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := clock.System{}.Now()
	tpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Webspeicher"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, tpl, tpl, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	cert = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	key = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw})
	if _, err := tls.X509KeyPair(cert, key); err != nil {
		t.Fatal(err)
	}
	return cert, key
}
