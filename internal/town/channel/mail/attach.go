package mail

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"regexp"

	"tuermer/internal/town/channel"
)

// maxAttached is what all files of one mail may have together: the size that every
// mail server takes, after base64.
const maxAttached = 7 << 20

var (
	fileName  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)
	mediaType = regexp.MustCompile(`^[a-z]+/[a-z0-9.+-]{1,80}$`)
)

// outer is the boundary around a mail with files, or why they cannot go.
func outer(m *channel.Message) (string, error) {
	h := sha256.New()
	h.Write([]byte(m.ID))
	size := 0
	for _, a := range m.Attached {
		if !fileName.MatchString(a.Name) || !mediaType.MatchString(a.Type) {
			return "", errors.New("an attached file has a name or a type that a header cannot carry")
		}
		size += len(a.Data)
		h.Write(a.Data)
	}
	if size > maxAttached {
		return "", errors.New("the attached files are too large")
	}
	h.Write([]byte(m.Text))
	return "=_m" + hex.EncodeToString(h.Sum(nil)[:16]), nil
}

// appendFile writes one file in lines of 76 characters.
func appendFile(b []byte, bound string, a channel.Attachment) []byte {
	b = append(b, "\r\n--"+bound+"\r\nContent-Type: "+a.Type+"; name=\""+a.Name+"\"\r\nContent-Disposition: attachment; filename=\""+a.Name+
		"\"\r\nContent-Transfer-Encoding: base64\r\n\r\n"...)
	enc := base64.StdEncoding.EncodeToString(a.Data)
	for len(enc) > foldAt {
		b = append(append(b, enc[:foldAt]...), "\r\n"...)
		enc = enc[foldAt:]
	}
	return append(append(b, enc...), "\r\n"...)
}
