#include "report/page_style.h"

namespace rdusim::report {
namespace {

// Colours: eight that stay apart for colour-blind readers (after Okabe and Ito), lighter ones in the dark.
// Heat: one blue from pale to deep, turned round in the dark, so that lightness alone tells the order.
constexpr const char* kStyle = R"(
:root{--paper:#fff;--ink:#1b1f24;--faint:#5b6570;--rule:#d9dee4;--box:#f4f6f8;--ground:#f1f1ef;--c0:#8a93a0;
--c1:#b07cc6;--c2:#d55e00;--c3:#0072b2;--c4:#009e73;--c5:#e69f00;--c6:#56b4e9;--c7:#cc79a7;
--h0:#cadff2;--h1:#b5d2ea;--h2:#9cc4e2;--h3:#83b7da;--h4:#63a2ce;--h5:#478cc0;--h6:#2f74af;--h7:#1c5d9b;--h8:#0d4680;
--h9:#072f60}
@media (prefers-color-scheme:dark){:root{--paper:#14171b;--ink:#e6e9ed;--faint:#9aa4af;--rule:#333a42;--box:#1d2227;
--ground:#22272d;--c0:#7d8794;--c1:#c99ada;--c2:#f0803c;--c3:#4aa3dc;--c4:#35c496;--c5:#f0b840;--c6:#8ccdf2;--c7:#e09cc0;
--h0:#1f3a56;--h1:#24476a;--h2:#2a567f;--h3:#326795;--h4:#3d7aab;--h5:#4e8fc0;--h6:#67a5d2;--h7:#87bce1;--h8:#add3ee;
--h9:#d9edfa}}
@media print{:root{--paper:#fff;--ink:#000;--faint:#444;--rule:#ccd;--box:#fff;--ground:#f1f1ef;--c0:#8a93a0;--c1:#b07cc6;
--c2:#d55e00;--c3:#0072b2;--c4:#009e73;--c5:#e69f00;--c6:#56b4e9;--c7:#cc79a7;--h0:#cadff2;--h1:#b5d2ea;--h2:#9cc4e2;
--h3:#83b7da;--h4:#63a2ce;--h5:#478cc0;--h6:#2f74af;--h7:#1c5d9b;--h8:#0d4680;--h9:#072f60}
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}body{font-size:10pt;padding:0;max-width:none}
figure{break-inside:avoid}figure.table{break-inside:auto}h2{break-after:avoid}tr{break-inside:avoid}a.save{display:none}
.scroll{overflow:visible}table{font-size:7.5pt}th,td{padding:.15rem .5rem .15rem 0;white-space:normal}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:62rem;padding:1.5rem 1rem 3rem;background:var(--paper);color:var(--ink);
font:16px/1.5 system-ui,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
h1{font-size:1.6rem;line-height:1.25;margin:0 0 .3rem;overflow-wrap:anywhere}
h2{font-size:1.15rem;margin:2rem 0 .2rem;overflow-wrap:anywhere}
p.summary{font-size:1.1rem;margin:.2rem 0 1rem}figure{margin:.6rem 0 1.4rem}
figcaption{margin:0 0 .4rem;overflow-wrap:anywhere}
dl.answers{background:var(--box);border:1px solid var(--rule);border-radius:6px;margin:.6rem 0 1rem;padding:.5rem 1rem}
dl.answers dt{font-weight:600;margin-top:.3rem}dl.answers dd{margin:0 0 .5rem;overflow-wrap:anywhere}
svg{width:100%;height:auto;display:block;font:12px system-ui,"Segoe UI",Roboto,Arial,sans-serif}
svg text{fill:var(--ink)}svg .axis{fill:var(--faint)}
svg .over{paint-order:stroke;stroke:var(--paper);stroke-width:3px;stroke-linejoin:round}
.grid{stroke:var(--rule);fill:none}.line{fill:none;stroke-width:2}.mark{stroke:var(--ink);stroke-dasharray:4 3;fill:none}
.die{stroke:var(--ink);stroke-width:.8;fill:none}.band{opacity:.55}.point{opacity:.75;stroke:var(--paper)}
.ground{fill:var(--ground)}
.f0{fill:var(--c0)}.f1{fill:var(--c1)}.f2{fill:var(--c2)}.f3{fill:var(--c3)}.f4{fill:var(--c4)}.f5{fill:var(--c5)}
.f6{fill:var(--c6)}.f7{fill:var(--c7)}.s0{stroke:var(--c0)}.s1{stroke:var(--c1)}.s2{stroke:var(--c2)}.s3{stroke:var(--c3)}
.s4{stroke:var(--c4)}.s5{stroke:var(--c5)}.s6{stroke:var(--c6)}.s7{stroke:var(--c7)}
.h0{fill:var(--h0)}.h1{fill:var(--h1)}.h2{fill:var(--h2)}.h3{fill:var(--h3)}.h4{fill:var(--h4)}.h5{fill:var(--h5)}
.h6{fill:var(--h6)}.h7{fill:var(--h7)}.h8{fill:var(--h8)}.h9{fill:var(--h9)}
.scroll{overflow-x:auto}table{border-collapse:collapse;font-size:.9rem;font-variant-numeric:tabular-nums}
th,td{padding:.2rem .7rem .2rem 0;text-align:left;border-bottom:1px solid var(--rule);white-space:nowrap}
th{font-weight:600}.n{text-align:right}.t{white-space:normal;min-width:18rem;overflow-wrap:anywhere}a{color:var(--c3)}a.save{font-size:.85rem}
footer{margin-top:2.5rem;color:var(--faint);font-size:.85rem}
code{font-family:ui-monospace,Menlo,Consolas,monospace;font-size:.9em;overflow-wrap:anywhere}
)";

}  // namespace

const char* page_style() {
  return kStyle;
}

}  // namespace rdusim::report
