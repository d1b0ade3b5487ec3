package depot

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path"
	"strings"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
)

// sftpSession is a folder on an SSH server whose key is pinned.
type sftpSession struct {
	conn net.Conn
	ssh  *ssh.Client
	sftp *sftp.Client
	base string
}

func openSFTP(ctx context.Context, t Place, dial Dial) (_ Session, err error) {
	u, err := url.Parse(t.Address)
	if err != nil || u.Hostname() == "" {
		return nil, Failed("setup", fmt.Errorf("address %q", t.Address))
	}
	algorithms, check, err := pinned(t.HostKey)
	if err != nil {
		return nil, Failed("setup", err)
	}
	var auth []ssh.AuthMethod
	if len(t.PrivateKey) > 0 {
		signer, err := ssh.ParsePrivateKey(t.PrivateKey)
		if err != nil {
			return nil, Failed("setup", err)
		}
		auth = append(auth, ssh.PublicKeys(signer))
	}
	if t.Password != "" {
		auth = append(auth, ssh.Password(t.Password), ssh.KeyboardInteractive(func(_, _ string, questions []string, _ []bool) ([]string, error) {
			answers := make([]string, len(questions))
			for i := range answers {
				answers[i] = t.Password
			}
			return answers, nil
		}))
	}
	addr := net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), "22"))
	step, cancel := context.WithTimeout(ctx, StepTime)
	defer cancel()
	conn, err := dial(step, "tcp", addr)
	if err != nil {
		return nil, Failed("connect", err)
	}
	defer func() {
		if err != nil {
			_ = conn.Close()
		}
	}()
	// Neither package knows a context: who waits too long loses the connection.
	stop := context.AfterFunc(step, func() { _ = conn.Close() })
	defer stop()
	wrongKey := error(nil)
	c, channels, requests, err := ssh.NewClientConn(conn, addr, &ssh.ClientConfig{
		User: cmp.Or(t.Username, u.User.Username()), Auth: auth, HostKeyAlgorithms: algorithms,
		HostKeyCallback: func(_ string, _ net.Addr, key ssh.PublicKey) error {
			wrongKey = check(key)
			return wrongKey
		},
		ClientVersion: "SSH-2.0-Tuermer",
	})
	switch {
	case step.Err() != nil:
		return nil, Failed("hang", step.Err())
	case wrongKey != nil:
		return nil, Failed("host_key", wrongKey)
	case err != nil && strings.Contains(err.Error(), "unable to authenticate"):
		return nil, Failed("login", err)
	case err != nil && strings.Contains(err.Error(), "no common algorithm for host key"):
		return nil, Failed("host_key", err)
	case err != nil:
		return nil, Failed("connect", err)
	}
	s := &sftpSession{conn: conn, ssh: ssh.NewClient(c, channels, requests), base: strings.TrimPrefix(u.Path, "/~/")}
	if s.sftp, err = sftp.NewClient(s.ssh); err != nil {
		_ = s.ssh.Close()
		if step.Err() != nil {
			return nil, Failed("hang", step.Err())
		}
		return nil, Failed("denied", err)
	}
	if s.base == "" {
		s.base = "."
	}
	return s, nil
}

// pinned reads the pin of a server: with a whole key only that kind is asked
// for, with a fingerprint the usual ones in the order in which OpenSSH has them.
func pinned(pin string) (algorithms []string, check func(ssh.PublicKey) error, err error) {
	if strings.HasPrefix(pin, "SHA256:") {
		return []string{ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521, ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256},
			func(k ssh.PublicKey) error {
				if got := ssh.FingerprintSHA256(k); got != pin {
					return fmt.Errorf("the server shows %s", got)
				}
				return nil
			}, nil
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(pin))
	if err != nil {
		return nil, nil, errors.New("host_key is neither SHA256:… nor a key")
	}
	algorithms = []string{key.Type()}
	if key.Type() == ssh.KeyAlgoRSA {
		algorithms = []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256}
	}
	return algorithms, func(k ssh.PublicKey) error {
		if !bytes.Equal(k.Marshal(), key.Marshal()) {
			return fmt.Errorf("the server shows %s %s", k.Type(), ssh.FingerprintSHA256(k))
		}
		return nil
	}, nil
}

// ValidPin reports whether a server can be pinned by this text.
func ValidPin(pin string) bool {
	_, _, err := pinned(pin)
	return err == nil
}

// do carries out one step within its time.
func (s *sftpSession) do(ctx context.Context, f func() error) error {
	stop := context.AfterFunc(ctx, func() { _ = s.conn.Close() })
	defer stop()
	err := f()
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return Failed("hang", context.Cause(ctx))
	case errors.Is(err, sftp.ErrSSHFxConnectionLost):
		return Failed("gone", err)
	default:
		return Failed("write", err)
	}
}

func (s *sftpSession) Mkdir(ctx context.Context, dir string) error {
	return s.do(ctx, func() error { return s.sftp.MkdirAll(path.Join(s.base, dir)) })
}

func (s *sftpSession) Put(ctx context.Context, name string, body []byte) error {
	full := path.Join(s.base, name)
	err := s.do(ctx, func() error {
		f, err := s.sftp.OpenFile(full, os.O_CREATE|os.O_WRONLY|os.O_TRUNC)
		if err != nil {
			return err
		}
		_, err = f.Write(body)
		return errors.Join(err, f.Close())
	})
	return s.perhapsFull(ctx, full, int64(len(body)), err)
}

// perhapsFull finds the better word for a file that was not taken: the protocol
// has none for a full disk, but the server may know how much is left.
func (s *sftpSession) perhapsFull(ctx context.Context, full string, size int64, err error) error {
	f, ok := errors.AsType[*Failure](err)
	if !ok || f.Reason != "write" {
		return err
	}
	room := uint64(0)
	if s.do(ctx, func() error {
		v, err := s.sftp.StatVFS(path.Dir(full))
		if err == nil {
			room = v.Frsize * v.Bavail
		}
		return err
	}) == nil && room < uint64(max(size, 0))+4096 {
		f.Reason = "full"
	}
	return err
}

func (s *sftpSession) PutFrom(ctx context.Context, name string, body io.Reader, size int64) error {
	ctx, m, end := whileMoving(ctx)
	defer end()
	full := path.Join(s.base, name)
	err := s.do(ctx, func() error {
		f, err := s.sftp.OpenFile(full, os.O_CREATE|os.O_WRONLY|os.O_TRUNC)
		if err != nil {
			return err
		}
		_, err = f.ReadFromWithConcurrency(movingReader{m, body}, 16)
		return errors.Join(err, f.Close())
	})
	return s.perhapsFull(ctx, full, size, err)
}

func (s *sftpSession) List(ctx context.Context, dir string) (out []Entry, err error) {
	err = s.do(ctx, func() error {
		all, err := s.sftp.ReadDirContext(ctx, path.Join(s.base, dir))
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		for _, e := range all {
			out = append(out, Entry{Name: e.Name(), Size: e.Size(), Dir: e.IsDir()})
		}
		return err
	})
	return out, err
}

func (s *sftpSession) Get(ctx context.Context, name string, to io.Writer) error {
	ctx, m, end := whileMoving(ctx)
	defer end()
	return s.do(ctx, func() error {
		f, err := s.sftp.Open(path.Join(s.base, name))
		if err != nil {
			return err
		}
		_, err = f.WriteTo(movingWriter{m, to})
		return errors.Join(err, f.Close())
	})
}

func (s *sftpSession) Rename(ctx context.Context, from, to string) error {
	from, to = path.Join(s.base, from), path.Join(s.base, to)
	if _, ok := s.sftp.HasExtension("posix-rename@openssh.com"); ok {
		return s.do(ctx, func() error { return s.sftp.PosixRename(from, to) })
	}
	// The protocol's own rename refuses to replace; between these two steps the
	// page is missing, which is the best that such a server can do.
	return s.do(ctx, func() error {
		if err := s.sftp.Remove(to); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		return s.sftp.Rename(from, to)
	})
}

func (s *sftpSession) Remove(ctx context.Context, name string) error {
	return s.do(ctx, func() error { return s.sftp.Remove(path.Join(s.base, name)) })
}

// close does not wait for a server that has stopped answering.
func (s *sftpSession) Close() {
	late := time.AfterFunc(time.Second, func() { _ = s.conn.Close() })
	defer late.Stop()
	_ = s.sftp.Close()
	_ = s.ssh.Close()
}
