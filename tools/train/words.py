"""Ordinary words for the generators: of business, of machines and of the house."""

_TEXT = """
account action after again agent air allow alpha amber anchor angle apple april arrow august autumn award
baker balance bank basket beach bear bell better bird black block blue board boat bold bottle branch brave
bread bridge bright broad brother brown budget build cable camel candle captain carbon castle center chain
chair change chart cherry choice circle city clean clear client clock cloud coast coffee color common copper
corner cotton country course cover craft credit cross crown dance data dawn deal december deep delta desert
design diamond digital dinner direct doctor dollar double dragon dream drive eagle early earth east echo edge
effort eight energy engine evening event fabric factor family farm fast father field finger fire first fish
flower forest forward fountain free fresh friend garden gate gentle glass global gold grand great green ground
group growth guard hammer hand happy harbor harvest health heart heavy hidden high hill home honest honey
horse hotel house human hunter island jacket january jewel journey july kind kitchen ladder lake large laser
leader leaf lemon letter level light lion little local long lucky machine magic main manager maple market
master meadow measure metal middle milk mirror modern money monday moon morning mother mountain movie music
narrow nation nature network night noble north november number ocean office olive open orange order paper park
partner people pepper phone picture pilot planet plenty pocket point portal power present price prime proud
public purple quality quick quiet rabbit rain rapid ready record red report result right ring river road rock
roof round royal salt school second secret select service seven shadow share sharp shelter silent silver
simple single sister sky small smart smile smooth snow social soft solid sound south space spring square
stable star station steel stone storm story street strong studio summer sunday super supply sweet system table
team ten thunder tiger time total tower travel tree trust twelve united urban valley velvet village violet
vision voice walk wall water wave west white wide wild window winter wise wolf wonder wood world yellow young
zebra
"""
WORDS = tuple(_TEXT.split())
