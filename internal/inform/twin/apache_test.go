package twin

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/user"
	"path/filepath"
	"testing"
	"time"

	"tuermer/internal/platform/depottest"
)

// On a real Apache the page says by itself that it is out of date, without
// script, from the moment on when it is; the host's clock decides.
func TestApacheShowsStale(t *testing.T) {
	bin := depottest.Tool(t, "/usr/sbin/apache2")
	dir, port := t.TempDir(), depottest.FreePort(t)
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
	depottest.Write(t, filepath.Join(dir, "conf"), []byte(conf))
	depottest.Run(t, port, bin, "-X", "-f", filepath.Join(dir, "conf"))
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
