package vault_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tuermer/internal/town/vault"
)

var now = time.Date(2026, 11, 22, 14, 2, 0, 0, time.UTC)

func open(t testing.TB) *vault.Vault {
	t.Helper()
	v, err := vault.New(bytes.Repeat([]byte{7}, vault.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestSignVerify(t *testing.T) {
	v := open(t)
	token := v.Sign("alert.ack", []byte("01jd3v9xk2 7"), now.Add(time.Hour))
	if len(token) > 60 {
		t.Errorf("token has %d characters, too long for a line in a mail", len(token))
	}
	for _, c := range []struct {
		name, purpose, token string
		at                   time.Time
		err                  error
	}{
		{"good", "alert.ack", token, now, nil},
		{"last moment", "alert.ack", token, now.Add(time.Hour - time.Second), nil},
		{"expired", "alert.ack", token, now.Add(time.Hour), vault.ErrExpired},
		{"other purpose", "identity.confirm", token, now, vault.ErrInvalid},
		{"cut", "alert.ack", token[:len(token)-1], now, vault.ErrInvalid},
		{"empty", "alert.ack", "", now, vault.ErrInvalid},
		{"long", "alert.ack", strings.Repeat("A", 5000), now, vault.ErrInvalid},
		{"no base64", "alert.ack", "ä" + token, now, vault.ErrInvalid},
	} {
		got, err := v.Verify(c.purpose, c.token, c.at)
		if !errors.Is(err, c.err) {
			t.Errorf("%s: got %q, %v; want %v", c.name, got, err, c.err)
		}
		if c.err == nil && string(got) != "01jd3v9xk2 7" {
			t.Errorf("%s: payload %q", c.name, got)
		}
	}
}

// What is signed or sealed comes back as it was, and no changed byte passes.
func TestRoundTrip(t *testing.T) {
	v := open(t)
	rapid.Check(t, func(t *rapid.T) {
		payload := rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(t, "payload")
		purpose := rapid.String().Draw(t, "purpose")
		token := v.Sign(purpose, payload, now.Add(time.Minute))
		got, err := v.Verify(purpose, token, now)
		if err != nil || !bytes.Equal(got, payload) {
			t.Fatalf("verify: %q, %v", got, err)
		}
		at := rapid.IntRange(0, len(token)-1).Draw(t, "at")
		other := rapid.SampledFrom([]byte("AZaz09-_")).Draw(t, "letter")
		if changed := token[:at] + string(other) + token[at+1:]; changed != token {
			if _, err := v.Verify(purpose, changed, now); !errors.Is(err, vault.ErrInvalid) {
				t.Fatalf("changed token passed: %v", err)
			}
		}
		sealed, err := v.Seal(purpose, payload)
		if err != nil {
			t.Fatal(err)
		}
		plain, err := v.Open(purpose, sealed)
		if err != nil || !bytes.Equal(plain, payload) {
			t.Fatalf("open: %q, %v", plain, err)
		}
		bit := rapid.IntRange(0, len(sealed)-1).Draw(t, "bit")
		sealed[bit] ^= 1
		if _, err := v.Open(purpose, sealed); !errors.Is(err, vault.ErrInvalid) {
			t.Fatalf("changed secret opened: %v", err)
		}
	})
}

func TestPurposesDiffer(t *testing.T) {
	v := open(t)
	if bytes.Equal(v.Key("a"), v.Key("b")) {
		t.Error("two purposes share a key")
	}
	sealed, err := v.Seal("smtp", []byte("geheim"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Open("sms", sealed); !errors.Is(err, vault.ErrInvalid) {
		t.Errorf("opened for another purpose: %v", err)
	}
}

func FuzzVerify(f *testing.F) {
	v := open(f)
	good := v.Sign("p", []byte("x"), now.Add(time.Hour))
	f.Add(good)
	f.Add("")
	f.Add("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	f.Fuzz(func(t *testing.T, token string) {
		if got, err := v.Verify("p", token, now); err == nil && token != good {
			t.Fatalf("forged %q carries %q", token, got)
		}
		_, _ = v.Open("p", []byte(token))
	})
}

func TestKeyFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	first, err := vault.Load(vault.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, vault.KeyFile)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	again, err := vault.Load(vault.Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first.Key("x"), again.Key("x")) {
		t.Error("the key changed")
	}
	if names, _ := os.ReadDir(dir); len(names) != 1 {
		t.Errorf("left behind: %v", names)
	}

	wrong := func(name, text string, mode os.FileMode, want string) {
		p := filepath.Join(t.TempDir(), "key")
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(p, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := vault.Load(vault.Options{Path: p}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", name, err, want)
		}
	}
	hexKey := strings.Repeat("0f", vault.KeySize)
	wrong("open to group", hexKey, 0o640, "chmod 600")
	wrong("open to all", hexKey, 0o604, "chmod 600")
	wrong("empty", "", 0o600, "holds no key")
	wrong("short", "AAAA\n", 0o600, "holds no key")
	if _, err := vault.Load(vault.Options{Path: filepath.Join(dir, "none")}); err == nil ||
		!strings.Contains(err.Error(), "openssl rand") {
		t.Errorf("missing shared key: %v", err)
	}
	if _, err := vault.Load(vault.Options{Path: dir}); err == nil {
		t.Error("a folder is taken for a key file")
	}
}

// Commands that start together on a new data folder end up with one key.
func TestKeyFileRace(t *testing.T) {
	dir := t.TempDir()
	keys := make([][]byte, 8)
	var wg sync.WaitGroup
	for i := range keys {
		wg.Go(func() {
			v, err := vault.Load(vault.Options{Dir: dir})
			if err != nil {
				t.Error(err)
				return
			}
			keys[i] = v.Key("x")
		})
	}
	wg.Wait()
	for _, k := range keys {
		if !bytes.Equal(k, keys[0]) {
			t.Fatal("two keys")
		}
	}
}
