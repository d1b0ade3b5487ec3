package twin

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// The servers here are Debian's own (script/setup): OpenSSH with its SFTP server,
// and nginx with WebDAV. Each runs on loopback out of a folder of its own.

func tool(t *testing.T, names ...string) string {
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

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// run starts a server and ends it with the test; it is up when it takes
// connections.
func run(t *testing.T, port int, name string, args ...string) {
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

// sshd is an OpenSSH server into whose folder a key opens the door. It returns
// the target that leads there.
func sshd(t *testing.T, extra ...string) (Target, string) {
	t.Helper()
	bin := tool(t, "/usr/sbin/sshd")
	server := tool(t, "/usr/lib/openssh/sftp-server")
	dir, port := t.TempDir(), freePort(t)
	hostKey, pin := sshKey(t)
	mine, public := sshKey(t)
	write(t, filepath.Join(dir, "host"), hostKey)
	write(t, filepath.Join(dir, "keys"), []byte(public+"\n"))
	conf := fmt.Sprintf("Port %d\nListenAddress 127.0.0.1\nHostKey %s/host\nAuthorizedKeysFile %s/keys\nStrictModes no\nUsePAM no\n"+
		"PasswordAuthentication no\nPidFile none\nSubsystem sftp %s\n", port, dir, dir, server)
	for _, line := range extra {
		conf += line + "\n"
	}
	write(t, filepath.Join(dir, "conf"), []byte(conf))
	if os.Geteuid() == 0 {
		_ = os.MkdirAll("/run/sshd", 0o755) // where it locks itself in
	}
	run(t, port, bin, "-D", "-e", "-f", filepath.Join(dir, "conf"))
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	site := filepath.Join(dir, "site")
	if err := os.Mkdir(site, 0o755); err != nil {
		t.Fatal(err)
	}
	return Target{
		Name: "draussen", Kind: SFTP, Address: fmt.Sprintf("sftp://127.0.0.1:%d%s", port, site), Username: me.Username,
		PrivateKey: mine, HostKey: pin,
	}, site
}

func write(t *testing.T, name string, body []byte) {
	t.Helper()
	if err := os.WriteFile(name, body, 0o600); err != nil {
		t.Fatal(err)
	}
}

// sshKey is a fresh key: private in OpenSSH's form, public as a line.
func sshKey(t *testing.T) (private []byte, public string) {
	t.Helper()
	pub, key, err := ed25519Key()
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

// nginx is a web server that takes WebDAV over TLS with a password, and hands
// the same folder out. It returns the target that leads there.
func nginx(t *testing.T) (Target, string) {
	t.Helper()
	bin := tool(t, "/usr/sbin/nginx")
	module := tool(t, "/usr/lib/nginx/modules/ngx_http_dav_ext_module.so")
	dir, port := t.TempDir(), freePort(t)
	site := filepath.Join(dir, "site")
	for _, d := range []string{site, filepath.Join(dir, "tmp")} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	cert, key := certificate(t)
	write(t, filepath.Join(dir, "cert.pem"), cert)
	write(t, filepath.Join(dir, "key.pem"), key)
	write(t, filepath.Join(dir, "users"), []byte("tuermer:{PLAIN}geheim\n"))
	who := ""
	if os.Geteuid() == 0 {
		who = "user root;\n"
	}
	write(t, filepath.Join(dir, "conf"), []byte(fmt.Sprintf(`load_module %[2]s;
%[4]sdaemon off; master_process off; pid %[1]s/pid; error_log stderr warn;
events { worker_connections 32; }
http {
  access_log off; client_body_temp_path %[1]s/tmp; proxy_temp_path %[1]s/tmp; fastcgi_temp_path %[1]s/tmp; uwsgi_temp_path %[1]s/tmp; scgi_temp_path %[1]s/tmp;
  server {
    listen 127.0.0.1:%[3]d ssl; ssl_certificate %[1]s/cert.pem; ssl_certificate_key %[1]s/key.pem;
    root %[1]s/site;
    location / { }
    location /dav/ {
      alias %[1]s/site/; auth_basic x; auth_basic_user_file %[1]s/users;
      dav_methods PUT DELETE MKCOL MOVE; dav_ext_methods PROPFIND OPTIONS;
    }
  }
}
`, dir, module, port, who)))
	run(t, port, bin, "-c", filepath.Join(dir, "conf"), "-p", dir, "-e", "stderr")
	return Target{
		Name: "webspeicher", Kind: WebDAV, Address: fmt.Sprintf("https://127.0.0.1:%d/dav", port), Username: "tuermer", Password: "geheim", CA: cert,
	}, site
}

// certificate is one for 127.0.0.1, signed by itself.
func certificate(t *testing.T) (cert, key []byte) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Webspeicher"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
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

// On a real Apache the page says by itself that it is out of date, without
// script, from the moment on when it is; the host's clock decides.
func TestApacheShowsStale(t *testing.T) {
	bin := tool(t, "/usr/sbin/apache2")
	dir, port := t.TempDir(), freePort(t)
	site := filepath.Join(dir, "site")
	if err := os.Mkdir(site, 0o755); err != nil {
		t.Fatal(err)
	}
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	who := ""
	if os.Geteuid() == 0 { // it never serves as root
		who, me.Username = "User www-data\nGroup www-data\n", "www-data"
		for _, d := range []string{filepath.Dir(dir), dir, site} {
			if err := os.Chmod(d, 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	conf := fmt.Sprintf("ServerRoot %[1]s\nServerName twin\nListen 127.0.0.1:%[2]d\nPidFile %[1]s/pid\nErrorLog /dev/stderr\n%[3]s", dir, port, who)
	for _, m := range []string{"mpm_event", "authz_core", "dir", "mime", "rewrite"} {
		conf += fmt.Sprintf("LoadModule %[1]s_module /usr/lib/apache2/modules/mod_%[1]s.so\n", m)
	}
	conf += fmt.Sprintf("TypesConfig /dev/null\nDocumentRoot %[1]s\nDirectoryIndex index.html\n<Directory %[1]s>\nAllowOverride All\nRequire all granted\n</Directory>\n", site)
	write(t, filepath.Join(dir, "conf"), []byte(conf))
	run(t, port, bin, "-X", "-f", filepath.Join(dir, "conf"))
	body := func(path string) string {
		res, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/%s", port, path))
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		raw, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != http.StatusOK {
			t.Fatal(res.Status, err)
		}
		return string(raw)
	}
	for _, c := range []struct {
		until time.Duration
		want  map[string]string
	}{
		{time.Hour, map[string]string{"": "de: x", "index.html": "de: x", "en/": "en: x", "archiv.html": "Archiv"}},
		{-time.Second, map[string]string{"": "veraltet: x", "index.html": "veraltet: x", "archiv.html": "Archiv"}},
	} {
		r := &Room{}
		target := Target{Kind: Directory, Address: site, Apache: time.Local.String()}
		if _, _, err := r.carry(t.Context(), target, built{until: time.Now().Add(c.until), files: page("x")}, nil); err != nil {
			t.Fatal(err)
		}
		for path, want := range c.want {
			if got := body(path); got != want {
				t.Errorf("valid for %s, /%s: %q, want %q", c.until, path, got, want)
			}
		}
	}
}
