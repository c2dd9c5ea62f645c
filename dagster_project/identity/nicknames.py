"""Short and pet names with the full names they may stand for, for matching only.

One line a full name: the full name, a colon, the forms people use for it. A short form may stand for several full names
(`alex`: alexander, alexandra), so a form maps to a list. Written by hand for this product from common usage.
"""

from __future__ import annotations

_NAMES = """
abigail: abby abbie gail
adelaide: addie heidi
agnes: aggie nessie
alan: al allan allen
albert: al bert bertie albie
alexander: alex alec al sandy xander sasha lex alexandre aleksander alessandro alejandro
alexandra: alex alexa sandra sandy sasha lexi lexie
alfred: al alf alfie fred freddie
alice: ali allie alicia
alison: ali allie
amanda: mandy mandi
amelia: amy millie mia melia
andrea: andie andy
andreas: andi andy
andrew: andy drew andi
angela: angie ange
ann: anna anne annie nan nancy
anthony: tony ant antony anton
antoinette: toni nettie
antonio: toni tonio
archibald: archie
arthur: art artie
barbara: barb barbie babs bobbie
bartholomew: bart
beatrice: bea trixie
benjamin: ben benny benji
bernard: bernie
bernadette: bernie
bradley: brad
brian: bryan bryn
caroline: carol carrie caro carolyn lina
cassandra: cass cassie sandra
catherine: cat cathy kate katie katy kathy kitty katherine kathryn catharine kathleen cate kat katharina
cecilia: cissy celia
charles: charlie chuck chas charley carl karl carlos
charlotte: charlie lottie lotte
christian: chris
christina: chris chrissie tina christine
christine: chris chrissie tina christina
christopher: chris kit topher kris kester
claudia: claud
clifford: cliff
constance: connie
cynthia: cindy
daniel: dan danny
danielle: dani
david: dave davey davy
deborah: deb debbie debra debby
dennis: den denny
dominic: dom nic
donald: don donnie
dorothy: dot dottie dolly dora dorothea
douglas: doug
edmund: ed eddie ned ted
edward: ed eddie eddy ned ted teddy eduard
edwin: ed eddie
eleanor: ellie nell nellie nora elle elinor lenore ella
elizabeth: liz lizzie beth betty bess libby eliza elisabeth lisa lizzy elise elsie betsy ellie
emily: em emmy milly
emma: em emmy
ernest: ernie
eugene: gene
evelyn: eve evie
ferdinand: ferdi
florence: flo florrie flossie
frances: fran fanny frankie francis franny
francis: frank fran frankie francois francisco
franklin: frank
frederick: fred freddie freddy fritz rick frederic friedrich
gabriel: gabe
gabriella: gabby ella gabrielle
gabrielle: gabby
geoffrey: geoff jeff jeffrey
george: georgie jorge georg
georgina: georgie gina georgia
gerald: gerry jerry
gerard: gerry
gertrude: gertie trudy
gillian: gill jill
grace: gracie
gregory: greg gregg
guillermo: memo
gwendolyn: gwen wendy
hannah: hanna annie
harold: harry hal
harriet: hattie harrie
heinrich: heinz heini
helen: nell ellen lena helena helene
henry: harry hank hal henri
herbert: herb bert bertie
howard: howie
hubert: bert hugh
isaac: ike zac
isabella: bella izzy isabelle isabel isobel belle
jacob: jake jakob
jacqueline: jackie jacqui
james: jim jimmy jamie jem
jane: janie jenny janet
janet: jan
janice: jan
jean: jeanie
jennifer: jen jenny jenn jenna
jeremiah: jerry
jeremy: jem jerry
jessica: jess jessie
joanna: jo joanne joan
johann: hans johannes
john: jack johnny jon johnnie
jonathan: jon jonny john jonathon nathan
jose: pepe
joseph: joe joey jo josef jose
josephine: jo josie
joshua: josh
judith: judy jude
julia: jules julie
julian: jules
katherine: kate katie katy kathy kat kathryn kitty kath catherine cathy katharine
kenneth: ken kenny
kimberly: kim kimberley
kristopher: kris chris
laurence: larry laurie lawrence lauri
lawrence: larry laurie loz
leonard: len leo lenny
leslie: les lesley
lewis: lew louie louis
lillian: lil lily lilly
louis: lou louie lewis luis
louise: lou lulu
lucas: luke luca lukas
lucy: lu lucille lucie lucia
lydia: lyddie
madeline: maddie maddy madeleine
magdalena: lena magda
margaret: maggie meg peggy greta rita marge margie daisy madge margot margarete gretel
maria: mia marie mary
marilyn: lyn
martha: marty mattie
martin: marty
mary: molly polly marie maria may mamie
matilda: tilly mattie tilda
matthew: matt mat matty mathew matthias
maureen: mo
maurice: morris
maximilian: max
maxwell: max
megan: meg
melanie: mel
melissa: mel missy lissa
michael: mike mick mickey micky mikey michel miguel
michelle: shelly shell
mildred: millie
mitchell: mitch
mohammed: mo mohammad muhammad mohamed muhammed
montgomery: monty
nancy: nan
natalie: nat nattie
natasha: tasha nat
nathaniel: nat nate nathan
nicholas: nick nicky nico nicolas nik klaus niklas
nicola: nicky nikki nic
nicole: nicky nikki nic
oliver: ollie olly
olivia: liv livvy olive ollie
oscar: ozzie
pamela: pam
patricia: pat patty trish tricia patsy
patrick: pat paddy pad rick
penelope: penny
peter: pete pedro pierre
philip: phil pip phillip philippe
philippa: pippa pip
priscilla: cilla
rachel: rach rachael
ralph: rafe
raymond: ray
rebecca: becky becca bex rebekah
reginald: reg reggie rex
richard: rick dick rich richie ricky ricardo dickie
robert: rob bob bobby robbie bert robin bobbie roberto rupert
roberta: bobbie robbie
roderick: rod roddy
rodney: rod
roger: rodge
roland: roly
ronald: ron ronnie
rosalind: ros rosie
rosemary: rose rosie
russell: russ rusty
samantha: sam sammy
samuel: sam sammy
sandra: sandy
sarah: sally sara sadie
scott: scotty
sebastian: seb bastian
sharon: shaz
sidney: sid
simon: si
solomon: sol
sophia: sophie sofia sophy
stanley: stan
stephanie: steph steffi stefanie
stephen: steve steven stevie stefan stephan ste
steven: steve stevie stephen stefan
stuart: stu stewart
susan: sue susie suzy susanna suzanne sukie
susanna: sue susie suzy suzanne susannah
sylvia: silvia
tamara: tammy
terence: terry terrence
teresa: terry tess tessa theresa tracy resi
theodore: theo ted teddy
thomas: tom tommy thom
timothy: tim timmy
tobias: toby tobi
valerie: val
vanessa: nessa
veronica: ronnie vera
victor: vic
victoria: vicky vikki tori vic vickie
vincent: vince vinny
virginia: ginny ginger
vivian: viv vivienne
walter: walt wally
wilhelm: willi willy
wilhelmina: mina minnie wilma
william: bill will billy willie liam willy wil guillaume
winifred: winnie freda
yvonne: vonnie
zachary: zac zach zack
zoe: zoey
"""


def nicknames() -> list[tuple[str, str]]:
    """Return (form, full name) pairs, sorted; both lower case and without accents. A full name does not list itself."""
    pairs: set[tuple[str, str]] = set()
    for line in _NAMES.strip().splitlines():
        full, forms = line.split(": ")
        pairs.update((form, full) for form in forms.split() if form != full)
    return sorted(pairs)
