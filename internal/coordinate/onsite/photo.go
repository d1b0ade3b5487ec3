package onsite

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	_ "image/png" // what may be sent besides JPEG
	"strings"

	"github.com/bep/imagemeta"
	"golang.org/x/image/draw"
	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"
	_ "golang.org/x/image/webp" // what may be sent besides JPEG

	"tuermer/internal/platform/fault"
)

const (
	// MaxPhoto is the most that a photo may have when it is sent, in bytes.
	MaxPhoto = 12 << 20
	// maxPixels bounds what is unpacked: a small file can hold a huge picture.
	maxPixels = 64_000_000
	// edge is the longer side of a stored photo, in pixels: a screen full.
	edge = 1920
	// quality is that of the stored JPEG.
	quality = 82
)

// What is wrong with a photo.
var (
	ErrNoPhoto  = fault.New(fault.Invalid, "onsite.no_photo")
	ErrHEIC     = fault.New(fault.Invalid, "onsite.heic")
	ErrBigPhoto = fault.New(fault.Invalid, "onsite.big_photo", MaxPhoto>>20)
)

// Photo is a picture as it is stored: a JPEG of at most [edge] pixels a side that
// stands upright and carries nothing of what the camera wrote into it.
type Photo struct {
	JPEG          []byte
	Width, Height int
	// Position is what the camera wrote; nil: nothing.
	Position *Position
}

// Sum is the SHA-256 of the stored bytes in hex.
func (p Photo) Sum() string {
	h := sha256.Sum256(p.JPEG)
	return hex.EncodeToString(h[:])
}

// ReadPhoto makes a stored photo of what a phone sends: JPEG, PNG or WebP. mark is
// written over the whole picture; empty: nothing.
func ReadPhoto(data []byte, mark string) (Photo, error) {
	if len(data) > MaxPhoto {
		return Photo{}, ErrBigPhoto.Field("photo", "onsite.big_photo_field")
	}
	if heic(data) {
		return Photo{}, ErrHEIC.Field("photo", "onsite.heic")
	}
	bad := ErrNoPhoto.Field("photo", "onsite.no_photo")
	cfg, format, err := image.DecodeConfig(bytes.NewReader(data))
	if err != nil || cfg.Width <= 0 || cfg.Height <= 0 || kinds[format] == 0 {
		return Photo{}, bad.With(err)
	}
	if cfg.Width > maxPixels/cfg.Height {
		return Photo{}, ErrBigPhoto.Field("photo", "onsite.big_photo_field")
	}
	img, _, err := image.Decode(bytes.NewReader(data))
	if err != nil {
		return Photo{}, bad.With(err)
	}
	turn, pos := camera(data, format)
	flat := upright(shrink(img), turn)
	if mark != "" {
		if err := stamp(flat, mark); err != nil {
			return Photo{}, err
		}
	}
	var out bytes.Buffer
	if err := jpeg.Encode(&out, flat, &jpeg.Options{Quality: quality}); err != nil {
		return Photo{}, bad.With(err)
	}
	return Photo{out.Bytes(), flat.Bounds().Dx(), flat.Bounds().Dy(), pos}, nil
}

// heic reports whether the file is what iPhones keep for themselves (ISO 23008-12)
// or an AVIF.
func heic(data []byte) bool {
	if len(data) < 12 || string(data[4:8]) != "ftyp" {
		return false
	}
	switch string(data[8:12]) {
	case "heic", "heix", "heim", "heis", "hevc", "hevx", "mif1", "msf1", "avif", "avis":
		return true
	}
	return false
}

// kinds are the formats that are taken, by the names of package image; other rooms
// of the program may have taught it more.
var kinds = map[string]imagemeta.ImageFormat{"jpeg": imagemeta.JPEG, "png": imagemeta.PNG, "webp": imagemeta.WebP}

// camera reads how the picture was held (Exif orientation, 1 to 8) and where it
// was taken. What cannot be read is not there: a photo is worth more than its notes.
func camera(data []byte, format string) (turn int, pos *Position) {
	var tags imagemeta.Tags
	turn = 1
	_, err := imagemeta.Decode(imagemeta.Options{
		R: bytes.NewReader(data), ImageFormat: kinds[format], Sources: imagemeta.EXIF,
		ShouldHandleTag: func(t imagemeta.TagInfo) bool {
			return t.Tag == "Orientation" && t.Namespace == "IFD0" || strings.HasPrefix(t.Tag, "GPSL")
		},
		HandleTag: func(t imagemeta.TagInfo) error { tags.Add(t); return nil },
		Warnf:     func(string, ...any) {},
	})
	if err != nil {
		return turn, nil
	}
	if o, ok := tags.EXIF()["Orientation"]; ok {
		if n, ok := o.Value.(uint16); ok && n >= 1 && n <= 8 {
			turn = int(n)
		}
	}
	lat, north := degree(tags.EXIF(), "GPSLatitude", "S")
	lon, east := degree(tags.EXIF(), "GPSLongitude", "W")
	if p := (Position{Lat: lat, Lon: lon}); north && east && p.Valid() && (lat != 0 || lon != 0) {
		pos = &p
	}
	return turn, pos
}

// degree reads one of the two numbers and its letter. The library's own way panics
// where a file gives them another type.
func degree(tags map[string]imagemeta.TagInfo, name, minus string) (float64, bool) {
	n, ok := tags[name].Value.(float64)
	if ref, _ := tags[name+"Ref"].Value.(string); ref == minus {
		n = -n
	}
	return n, ok
}

// shrink makes an RGB picture of at most [edge] pixels a side; what is clear
// becomes white.
func shrink(img image.Image) *image.RGBA {
	b := img.Bounds()
	w, h := b.Dx(), b.Dy()
	if long := max(w, h); long > edge {
		w, h = max(1, w*edge/long), max(1, h*edge/long)
	}
	out := image.NewRGBA(image.Rect(0, 0, w, h))
	draw.Draw(out, out.Bounds(), image.White, image.Point{}, draw.Src)
	draw.ApproxBiLinear.Scale(out, out.Bounds(), img, b, draw.Over, nil)
	return out
}

// upright turns and mirrors as Exif 2.32, tag 0x0112, describes it.
func upright(img *image.RGBA, turn int) *image.RGBA {
	if turn < 2 || turn > 8 {
		return img
	}
	w, h := img.Bounds().Dx(), img.Bounds().Dy()
	out := image.NewRGBA(image.Rect(0, 0, w, h))
	if turn >= 5 {
		out = image.NewRGBA(image.Rect(0, 0, h, w))
	}
	for y := range h {
		for x := range w {
			var tx, ty int
			switch turn {
			case 2:
				tx, ty = w-1-x, y
			case 3:
				tx, ty = w-1-x, h-1-y
			case 4:
				tx, ty = x, h-1-y
			case 5:
				tx, ty = y, x
			case 6:
				tx, ty = h-1-y, x
			case 7:
				tx, ty = h-1-y, w-1-x
			case 8:
				tx, ty = y, w-1-x
			}
			out.SetRGBA(tx, ty, img.RGBAAt(x, y))
		}
	}
	return out
}

// stamp writes the words over the whole picture, line by line, so that no part of
// it can be used as an original.
func stamp(img *image.RGBA, words string) error {
	parsed, err := opentype.Parse(goregular.TTF)
	if err != nil {
		return errors.Join(errors.New("onsite: stamp"), err)
	}
	w, h := img.Bounds().Dx(), img.Bounds().Dy()
	size := max(10, float64(min(w, h))/22)
	face, err := opentype.NewFace(parsed, &opentype.FaceOptions{Size: size, DPI: 72, Hinting: font.HintingNone})
	if err != nil {
		return errors.Join(errors.New("onsite: stamp"), err)
	}
	defer func() { _ = face.Close() }() // it is memory
	d := font.Drawer{Dst: img, Src: image.NewUniform(color.RGBA{R: 170, A: 170}), Face: face}
	line := words + " · "
	step := max(d.MeasureString(line).Ceil(), 1)
	line = strings.Repeat(line, w/step+2)
	for n, y := 0, int(size); y < h+int(size); n, y = n+1, y+int(size*3) {
		d.Dot = fixed.P(-(n%3)*step/3, y)
		d.DrawString(line)
	}
	return nil
}
