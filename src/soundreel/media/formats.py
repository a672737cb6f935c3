"""The file formats that are opened: those whose reader in FFmpeg stays within the one file.

A playlist, a manifest or a script names other files, and FFmpeg opens what it names: HLS (hls),
DASH (dash, webm_dash_manifest), IMF (imf), concatenation scripts (concat), image sequences (image2
and its kin), session descriptions (sdp), AviSynth and VapourSynth scripts, index files beside their
data (vobsub, mlv), devices and filter graphs (lavfi). None of these is on the list. A format that a
newer FFmpeg adds is not opened before somebody has looked at its reader.
"""

from __future__ import annotations

_SOUND = """
aa aac aax ac3 ac4 ace acm act adf adp ads adx aea afc aiff aix alaw amr amrnb amrwb apac apc ape
apm aptx aptx_hd argo_asf argo_brp asf asf_o ast au bfstm binka bit boa bonk brstm caf codec2
codec2raw daud derf dfpwm dsf dss dts dtshd dvbsub eac3 epaf f32be f32le f64be f64le flac fsb fwse
g722 g723_1 g726 g726le g728 g729 genh gsm hca hcom iamf iff ilbc ircam iss kvag laf lc3 libgme
libopenmpt loas mca mlp mp3 mpc mpc8 msf msnwctcp mtaf mulaw musx nistsphere nsp oma osq paf
pp_bnk pvf qcp qoa redspark rka rsd rso s16be s16le s24be s24le s32be s32le s337m s8 sbc sbg scd
sdns sdr2 sds sdx shn sln smjpeg sol sox spdif svag svs tak thp truehd tta u16be u16le u24be u24le
u32be u32le u8 vag vidc voc vpk vqf w64 wady wav wavarc wsaud wsd wv wve xa xmd xvag xwma
"""

_VIDEO = """
3dostr 4xm apv argo_cvg av1 avi avr avs avs2 avs3 bethsoftvid bfi bink bmv c93 cavsvideo cdg cdxl
cine dcstr dfa dhav dirac dnxhd dsicin dv dxa ea ea_cdata evc film_cpk filmstrip flic flv frm gdv
gxf h261 h263 h264 hevc hnm hxvs idcin ifv ingenient ipmovie ipu iv8 ivf ivr jv kux live_flv lmlm4
luodat lvf lxf m4v matroska mgsts mjpeg mjpeg_2000 mm mods moflex mov mpeg mpegts mpegtsraw
mpegvideo mpjpeg msp mtv mv mvi mxf mxg nc nsv nut nuv obu ogg pdv pmp psxstr pva r3d rl2 rm roq
rpl ser sga siff simbiosis_imx smk smush swf tiertexseq tmv ty txd usm v210 v210x vc1 vc1test
vividas vivo vmd vvc wc3movie wsvqa wtv xmv xwma yop yuv4mpegpipe
"""

_PICTURES = """
apng bmp_pipe cri_pipe dds_pipe dpx_pipe exr_pipe fits gem_pipe gif gif_pipe hdr_pipe ico j2k_pipe
jpeg_pipe jpegls_pipe jpegxl_anim jpegxl_pipe jpegxs_pipe pam_pipe pbm_pipe pcx_pipe pfm_pipe
pgm_pipe pgmyuv_pipe pgx_pipe phm_pipe photocd_pipe pictor_pipe png_pipe ppm_pipe psd_pipe
qdraw_pipe qoi_pipe sgi_pipe sunrast_pipe svg_pipe tiff_pipe vbn_pipe webp_anim webp_pipe xbm_pipe
xpm_pipe xwd_pipe
"""
"""To tell that a picture was given, not a sound."""

WITHIN_ONE_FILE = frozenset(f"{_SOUND} {_VIDEO} {_PICTURES}".split())
