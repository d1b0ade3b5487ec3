package identity_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/go-webauthn/webauthn/protocol"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/town/identity"
)

// authenticator signs as a device does (WebAuthn Level 2, ES256, no
// attestation). Its fields can be bent to do what a thief would.
type authenticator struct {
	t       testing.TB
	key     *ecdsa.PrivateKey
	id      []byte
	counter uint32
	origin  string
	rp      string
	flags   byte // user present, user verified
	handle  []byte
}

func newAuthenticator(t testing.TB) *authenticator {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	id := make([]byte, 16)
	if _, err := rand.Read(id); err != nil {
		t.Fatal(err)
	}
	return &authenticator{t: t, key: key, id: id, origin: "https://lage.t1.example", rp: "lage.t1.example", flags: 0x05}
}

func (a *authenticator) b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func (a *authenticator) client(kind string, challenge []byte) []byte {
	raw, err := json.Marshal(map[string]any{"type": kind, "challenge": a.b64(challenge), "origin": a.origin, "crossOrigin": false})
	if err != nil {
		a.t.Fatal(err)
	}
	return raw
}

func (a *authenticator) data(extra byte, attested []byte) []byte {
	hash := sha256.Sum256([]byte(a.rp))
	out := append(hash[:], a.flags|extra)
	out = binary.BigEndian.AppendUint32(out, a.counter)
	return append(out, attested...)
}

func (a *authenticator) answer(response map[string]string) string {
	raw, err := json.Marshal(map[string]any{"id": a.b64(a.id), "rawId": a.b64(a.id), "type": "public-key", "response": response, "clientExtensionResults": map[string]any{}})
	if err != nil {
		a.t.Fatal(err)
	}
	return string(raw)
}

// create answers navigator.credentials.create.
func (a *authenticator) create(o *protocol.CredentialCreation) string {
	a.t.Helper()
	id, ok := o.Response.User.ID.(protocol.URLEncodedBase64)
	if !ok {
		a.t.Fatalf("user handle is %T", o.Response.User.ID)
	}
	a.handle = id
	pub, err := a.key.PublicKey.Bytes()
	if err != nil {
		a.t.Fatal(err)
	}
	cose, err := cbor.Marshal(map[int]any{1: 2, 3: -7, -1: 1, -2: pub[1:33], -3: pub[33:]})
	if err != nil {
		a.t.Fatal(err)
	}
	attested := make([]byte, 16) // AAGUID
	attested = binary.BigEndian.AppendUint16(attested, uint16(len(a.id)))
	attested = append(append(attested, a.id...), cose...)
	object, err := cbor.Marshal(map[string]any{"fmt": "none", "attStmt": map[string]any{}, "authData": a.data(0x40, attested)})
	if err != nil {
		a.t.Fatal(err)
	}
	return a.answer(map[string]string{"clientDataJSON": a.b64(a.client("webauthn.create", o.Response.Challenge)), "attestationObject": a.b64(object)})
}

// get answers navigator.credentials.get.
func (a *authenticator) get(o *protocol.CredentialAssertion) string {
	a.t.Helper()
	a.counter++
	client, data := a.client("webauthn.get", o.Response.Challenge), a.data(0, nil)
	hash := sha256.Sum256(client)
	sum := sha256.Sum256(append(append([]byte{}, data...), hash[:]...))
	sig, err := ecdsa.SignASN1(rand.Reader, a.key, sum[:])
	if err != nil {
		a.t.Fatal(err)
	}
	return a.answer(map[string]string{
		"clientDataJSON": a.b64(client), "authenticatorData": a.b64(data), "signature": a.b64(sig), "userHandle": a.b64(a.handle),
	})
}

// passkey gives p a passkey and recovery codes.
func (h *house) passkey(t testing.TB, p identity.Person, s identity.Session) (*authenticator, []string) {
	t.Helper()
	o, err := h.NewPasskey(h.as(p), s)
	if err != nil {
		t.Fatal(err)
	}
	a := newAuthenticator(t)
	codes, err := h.ConfirmPasskey(h.as(p), s, "Diensthandy", a.create(o), "")
	if err != nil {
		t.Fatal(err)
	}
	return a, codes
}

func TestPasskey(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		ada, bert := h.add(t, person("Ada", identity.RoleAdmin)), h.add(t, person("Bert", identity.RoleAdmin))
		s, token, _ := h.signedIn(t, ada)
		s.Token = token
		a, codes := h.passkey(t, ada, s)
		if len(codes) != identity.RecoveryCodes {
			t.Fatal(codes)
		}
		home := identity.Client{Address: "203.0.113.9"}
		ask := func(pending string) *protocol.CredentialAssertion {
			t.Helper()
			o, err := h.AskPasskey(h.ctx, pending)
			if err != nil {
				t.Fatal(err)
			}
			return o
		}
		// Alone it is both factors.
		answer := a.get(ask(""))
		in, err := h.SignInPasskey(h.ctx, "", answer, home)
		if err != nil || in.Token == "" || in.Via != "passkey" || in.Second != "passkey" || in.Person != ada.ID {
			t.Fatalf("%+v %v", in, err)
		}
		if _, err := h.SignInPasskey(h.ctx, "", answer, home); fault.As(err).Key != "identity.passkey_over" {
			t.Errorf("the same answer twice: %v", err)
		}
		// The password alone is not enough; the passkey stands beside it.
		p, err := h.SignIn(h.ctx, ada.Email, goodPassword, home)
		if err != nil || p.Pending == "" {
			t.Fatalf("%+v %v", p, err)
		}
		a.flags = 0x01 // a plain security key: touched, nobody verified
		if in, err = h.SignInPasskey(h.ctx, p.Pending, a.get(ask(p.Pending)), home); err != nil || in.Via != "password" || in.Second != "passkey" {
			t.Errorf("%+v %v", in, err)
		}
		refused := func(why, pending, answer string) {
			t.Helper()
			if s, err := h.SignInPasskey(h.ctx, pending, answer, home); fault.KindOf(err) != fault.Invalid || s.Token != "" {
				t.Errorf("%s: %+v %v", why, s, err)
			}
		}
		refused("alone without verification", "", a.get(ask("")))
		a.flags = 0x05
		refused("an answer for another use", p.Pending, a.get(ask("")))
		refused("the other way round", "", a.get(ask(p.Pending)))
		a.origin = "https://lage.t1.example.evil.example"
		refused("collected by another page", "", a.get(ask("")))
		a.origin, a.rp = "https://lage.t1.example", "evil.example"
		refused("for another party", "", a.get(ask("")))
		a.rp = "lage.t1.example"
		stranger := newAuthenticator(t)
		stranger.handle = []byte(ada.ID)
		refused("an unknown key", "", stranger.get(ask("")))
		stranger.id = a.id
		refused("a forged signature", "", stranger.get(ask("")))
		a.handle = []byte(bert.ID)
		refused("another person's handle", "", a.get(ask("")))
		a.handle = []byte(ada.ID)
		late := ask("")
		h.now = h.now.Add(5 * time.Minute)
		refused("after five minutes", "", a.get(late))
		for _, nonsense := range []string{"", "{}", "null", "[]", `{"id":"x"}`, strings.Repeat("x", 70<<10)} {
			refused("nonsense", "", nonsense)
		}
		h.now = h.now.Add(time.Hour)
		// A counter that went back: there are two of it.
		h.letters = nil
		a.counter = 0
		refused("a twin", "", a.get(ask("")))
		if !strings.Contains(h.subjects(), "ada@posteo.example: Türmer Stadt t1: Einen Ihrer Passkeys scheint es zweimal zu geben") {
			t.Errorf("not told:\n%s", h.subjects())
		}
		a.counter = 1000
		if in, err = h.SignInPasskey(h.ctx, "", a.get(ask("")), home); err != nil {
			t.Fatal(err)
		}
		// A passkey belongs to one person; another one's session cannot take it.
		bs, bt, _ := h.signedIn(t, bert)
		bs.Token = bt
		o, err := h.NewPasskey(h.as(bert), bs)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.ConfirmPasskey(h.as(bert), bs, "x", a.create(o), ""); fault.KindOf(err) != fault.Invalid {
			t.Errorf("one key for two people: %v", err)
		}
		if _, err := h.ConfirmPasskey(h.as(ada), in, "x", newAuthenticator(t).create(o), ""); fault.KindOf(err) != fault.Invalid {
			t.Errorf("an answer to another person's question: %v", err)
		}
		two, err := h.SecondOf(h.as(ada), ada.ID)
		if err != nil || len(two.Passkeys) != 1 || two.Passkeys[0].Name != "Diensthandy" || two.Passkeys[0].UsedAt.IsZero() {
			t.Fatalf("%+v %v", two, err)
		}
		if err := h.RemovePasskey(h.as(bert), bs, two.Passkeys[0].ID, ""); fault.KindOf(err) != fault.NotFound {
			t.Errorf("somebody else removes it: %v", err)
		}
		if err := h.RemovePasskey(h.as(ada), in, two.Passkeys[0].ID, ""); err != nil {
			t.Fatal(err)
		}
		if p, err := h.SignIn(h.ctx, ada.Email, goodPassword, home); err != nil || p.Token == "" {
			t.Errorf("%+v %v", p, err)
		}
		if err := h.Sweep(h.ctx); err != nil {
			t.Fatal(err)
		}
		if err := h.audit.Verify(h.ctx); err != nil {
			t.Error(err)
		}
	})
}

// Where browsers make no passkeys they are not offered.
func TestPasskeysPossible(t *testing.T) {
	h := newHouse(t, storetest.SQLite(t, rooms...))
	for address, want := range map[string]bool{
		"https://lage.t1.example": true, "http://localhost:8420": true, "http://lage.t1.example": false, "https://192.0.2.1": false, "http://127.0.0.1:8420": false, "": false,
	} {
		if got := h.PasskeysPossible(identity.Tenant{StaffURL: address}); got != want {
			t.Errorf("%q: %v", address, got)
		}
	}
}

// FuzzPasskeyAnswer: whatever a browser sends ends in words.
func FuzzPasskeyAnswer(f *testing.F) {
	h := newHouse(f, storetest.SQLite(f, rooms...))
	a := newAuthenticator(f)
	o, err := h.AskPasskey(h.ctx, "")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(a.get(o))
	ada, err := h.SavePerson(h.ctx, person("Ada", identity.RoleAdmin))
	if err != nil {
		f.Fatal(err)
	}
	s, _, _ := h.signedIn(f, ada)
	made, err := h.NewPasskey(h.as(ada), s)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(a.create(made))
	f.Add(`{"id":"AA","rawId":"AA","type":"public-key","response":{"clientDataJSON":"e30","attestationObject":"oA"}}`)
	f.Fuzz(func(t *testing.T, answer string) {
		h.now = h.now.Add(time.Minute)
		if in, err := h.SignInPasskey(h.ctx, "", answer, identity.Client{Address: "203.0.113.9"}); err == nil || in.Token != "" {
			t.Fatalf("in with %q", answer)
		} else if k := fault.KindOf(err); k != fault.Invalid && k != fault.TooMany {
			t.Fatalf("%q: %v", answer, err)
		}
		if _, err := h.ConfirmPasskey(h.as(ada), s, "x", answer, ""); err == nil && answer == "" {
			t.Fatal("made of nothing")
		}
	})
}
